"""Endurance: `python -m tests.endurance` drains a million records through one worker and writes docs/reliability.md.

One real worker process behind a 50 ms handler on a real Kafka. Its memory, handles, threads and tasks are taken when
the first 20,000 are done and when all is, its commits counted every second.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.ready import Impossible, check
from penstock import local_kafka
from penstock.errors import PenstockError
from tests.crash.fleet import Fleet
from tests.crash.report import Figures, write_endurance
from tests.endurance.watch import State, Watch

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reliability.md"
EARLY = 20_000
BYTES_A_RECORD = 1000  # with the broker's own files, generously
PATIENCE = 3600.0


def main() -> int:
    """Returns 0 where all held, 1 where something was left behind, 2 where the run cannot be made here."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=1000)
    parser.add_argument("--page", type=Path, default=PAGE, help="where the figures are written")
    asked = parser.parse_args()
    if asked.records < 2 * EARLY:
        parser.error(f"--records must be {2 * EARLY} at least: the first {EARLY} are for warming up")
    with tempfile.TemporaryDirectory(prefix="penstock-endurance-") as folder:
        try:
            check(Path(folder), asked.records * BYTES_A_RECORD)
            broker = local_kafka.start(Path(folder) / "kafka")
        except (Impossible, PenstockError) as error:
            print(error, file=sys.stderr)
            return 2
        try:
            figures = endure(Path(folder), broker.bootstrap, asked.records, asked.concurrency)
        finally:
            local_kafka.wipe(Path(folder) / "kafka")
    write_endurance(asked.page, figures)
    print("\n".join(f"{name}: {value}" for name, value in figures.rows))
    return 1 if figures.broken else 0


def endure(folder: Path, bootstrap: str, records: int, concurrency: int) -> Figures:
    """Load the backlog, then let one worker drain it."""
    with Fleet(folder, bootstrap, partitions=12, handler="handlers:endure", concurrency=concurrency) as fleet:
        os.environ["CRASH_PROBES"] = str(probes := fleet.folder / "probes.jsonl")
        load = fleet.load(rate=0, what=lambda _number, _chance: {"ballast": "x" * 200}, keys=10_000)
        print(f"loading {records:,} records", flush=True)
        load.send(EARLY)
        load.send(1, what=lambda _number, _chance: {"probe": "early"}, key=None)
        for _ in range(records // EARLY - 1):
            load.send(EARLY)
        print("one worker begins", flush=True)
        began = time.monotonic()
        (worker,) = fleet.start(1)
        watch = Watch(fleet, worker, probes)
        ends = fleet.ends()
        watch.until(lambda: fleet.committed() == ends, PATIENCE)
        seconds = time.monotonic() - began
        time.sleep(2)  # what runs on for a moment (timers, the last commit) is over then
        load.send(1, what=lambda _number, _chance: {"probe": "after"}, key=None)
        fleet.until(lambda: "after" in watch.states(), "the last probe is answered")
        done = fleet.metric("penstock_runs_total")
        fleet.stop(worker)
        states = watch.states()
        return _figures(records, int(done) - 2, seconds, watch, states["early"], states["after"])


def _figures(records: int, done: int, seconds: float, watch: Watch, early: State, after: State) -> Figures:
    pairs = [
        ("file handles", early.handles, after.handles),
        ("threads", early.threads, after.threads),
        ("asyncio tasks", early.tasks, after.tasks),
    ]
    broken = [f"{name}: {before} early, {then} after" for name, before, then in pairs if then > before]
    if done < records // EARLY * EARLY:
        broken.append(f"{done:,} runs for {records:,} records")
    rows = (
        ("records, 50 ms each, on one worker", f"{records:,}"),
        ("runs done", f"{done:,}"),
        ("drained in", f"{seconds:,.0f} s, {records / seconds:,.0f} a second"),
        ("memory early / at most / after", f"{early.memory} / {watch.peak} / {after.memory} MiB"),
        *((f"{name} early / after", f"{before} / {then}") for name, before, then in pairs),
        ("commits, and the longest time without one", f"{watch.commits:,}, {watch.longest:.1f} s"),
        ("verdict", "; ".join(broken) or "nothing is left behind"),
    )
    return Figures(rows, tuple(broken))


if __name__ == "__main__":
    sys.exit(main())
