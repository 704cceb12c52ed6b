"""The command: `python -m benchmarks`. Starts its own Kafka, plays the workloads, prints and writes the tables."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import features, machine, page, tables
from benchmarks.load import fill  # noqa: F401 - a missing client is said before anything starts
from benchmarks.peers import Peers, prepare
from benchmarks.play import Stage
from benchmarks.ready import Impossible, check
from benchmarks.results import Results
from benchmarks.workloads import FULL, QUICK, SMALL, WORKLOADS, Size, Workload
from penstock import local_kafka
from penstock.errors import PenstockError

ROOT = Path(__file__).parents[1]
FEATURES = "features"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 when all was measured, whether goals were met or not."""
    parser = _parser()
    given = parser.parse_args(arguments)
    chosen = given.only.split(",") if given.only else [*WORKLOADS, FEATURES]
    if unknown := [name for name in chosen if name not in (*WORKLOADS, FEATURES)]:
        parser.error(f"no such workload: {', '.join(unknown)} (there are {', '.join([*WORKLOADS, FEATURES])})")
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds begins at 1")
    size = SMALL if given.small else QUICK if given.quick else FULL
    if given.rounds is not None:
        size = replace(size, rounds=given.rounds)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the broker ends with us
    try:
        return _run(chosen, size, given, _command(given))
    except (Impossible, PenstockError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; everything that was started has ended", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of the drain (default 9)")
    parser.add_argument("--only", metavar="NAMES", help=f"of {','.join([*WORKLOADS, FEATURES])}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds of all but the drain; under 8 minutes")
    parser.add_argument("--small", action="store_true", help="a tenth of everything, once: does it work?")
    parser.add_argument("--no-peers", action="store_true", help="install and measure no peer")
    parser.add_argument("--data", type=Path, default=ROOT / ".penstock", help="where the broker and the peers live")
    parser.add_argument(
        "--page", type=Path, help="where to write the page (default docs/performance.md, of a whole run)"
    )
    return parser


def _command(given: argparse.Namespace) -> str:
    """The command line again, by what matters to the figures: no folder of this machine belongs on the page."""
    words = ["python -m benchmarks"]
    words += [f"--{name}" for name in ("quick", "small", "no-peers") if getattr(given, name.replace("-", "_"))]
    words += [f"--{name} {getattr(given, name)}" for name in ("rounds", "only") if getattr(given, name) is not None]
    return " ".join(words)


def _run(chosen: Sequence[str], size: Size, given: argparse.Namespace, command: str) -> int:
    began = time.monotonic()
    workloads = [WORKLOADS[name](size) for name in chosen if name in WORKLOADS]
    data: Path = given.data.absolute()
    check(data, 2 * sum(load.bytes for workload in workloads for load in workload.loads))
    described = machine.describe()
    say(f"{size.name} run of {', '.join(chosen)}")
    peers = Peers(absent={"the peers": "--no-peers was given"}) if given.no_peers else prepare(data, say)
    for peer, why in peers.absent.items():
        say(f"without {peer}: {why}")
    done = _play(workloads, data, peers) if workloads else []
    costs = features.measure(size.few(features.ROUNDS), say) if FEATURES in chosen else None
    whole = size.name != "small" and not given.only  # a part of it would replace the figures of a full run
    target = given.page or (page.PAGE if whole else None)
    if target is not None:
        page.write(target, page.text(done, described, command, peers.absent, costs))
        say(f"written: {target}")
    if costs is not None:
        print("\n" + "\n".join(features.lines(costs)))
    say(f"took {(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if any(results.failures for _, results in done) else 0


def _play(workloads: Sequence[Workload], data: Path, peers: Peers) -> list[tuple[Workload, Results]]:
    """All of them on one broker, which is gone afterwards, with its data."""
    folder, done = data / "bench-kafka", []
    local_kafka.wipe(folder)
    logs = data / "bench"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    try:
        broker = local_kafka.start(folder, overrides={"log.retention.ms": "-1"}, say=say)
        stage = Stage(broker.bootstrap, logs, peers, say)
        for workload in workloads:
            results = stage.play(workload)
            done.append((workload, results))
            print("\n".join(["", f"## {workload.title}", "", *tables.goals(workload, results), ""]))
            if results.runs:
                print("\n".join([*tables.measured(workload, results), ""]), flush=True)
    finally:
        local_kafka.wipe(folder)
    return done


def say(line: str) -> None:
    """One line of progress, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
