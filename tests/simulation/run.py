"""The command: replay one seed, look for failing ones, shrink them.

python -m tests.simulation.run --seed v1:4711 [--shrink] [--trace]
python -m tests.simulation.run --seeds 0..1999
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.simulation.simulate import Result, simulate
from tests.simulation.world import VERSION, Plan, plan_of

COMMAND = "python -m tests.simulation.run"


class WrongVersion(ValueError):
    """A seed of another version of the world: it would give another plan."""


def read_seed(text: str) -> int:
    """The number in `v<version>:<seed>`, or a bare number of this version. Raises WrongVersion, ValueError."""
    version, colon, number = text.rpartition(":")
    if colon and version != f"v{VERSION}":
        raise WrongVersion(
            f"{text} was printed by version {version.lstrip('v')} of the simulated world, this one is {VERSION}: the "
            "same number means another plan now. Replay it at the commit that printed it, or give the plan that was "
            "printed with it: --plan FILE"
        )
    return int(number)


def replay_command(seed: int) -> str:
    """One command that replays a seed."""
    return f"{COMMAND} --seed v{VERSION}:{seed}"


def describe(plan: Plan, result: Result) -> str:
    """A failing plan in words: the violation, the command, the plan."""
    lines = [str(result.violation), f"replay: {replay_command(plan.seed)}"]
    lines += [f"  {fault}" for fault in plan.faults]
    lines += [f"  {sending}" for sending in plan.sendings[:30]]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where a violation was found, 2 for a seed that cannot be replayed."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--seed", help="one seed, v<version>:<number>")
    parser.add_argument("--seeds", help="FIRST..LAST")
    parser.add_argument("--digests", help="FIRST..LAST: the digest of each run, to compare")
    parser.add_argument("--plan", type=Path, help="a plan as JSON, as --shrink prints it")
    parser.add_argument("--shrink", action="store_true", help="take out what the failure does not need")
    parser.add_argument("--trace", action="store_true", help="print every fact")
    parser.add_argument("--json", action="store_true", help="print a line of JSON per failing seed, and a last one")
    given = parser.parse_args(arguments)
    if given.digests:
        first, _, last = given.digests.partition("..")
        for seed in range(int(first), int(last) + 1):
            print(seed, simulate(plan_of(seed)).digest)
        return 0
    if given.seeds:
        first, _, last = given.seeds.partition("..")
        return _many(int(first), int(last), as_json=given.json)
    try:
        plan = Plan.of_json(given.plan.read_text()) if given.plan else plan_of(read_seed(given.seed))
    except WrongVersion as error:
        print(error, file=sys.stderr)
        return 2
    return _one(plan, shrink=given.shrink, trace=given.trace)


def _one(plan: Plan, *, shrink: bool, trace: bool) -> int:
    result = simulate(plan)
    if result.violation is not None and shrink:
        from tests.simulation.shrink import shrunk

        plan = shrunk(plan, result.violation.invariant)
        result = simulate(plan)
    if trace:
        for fact in result.trace:
            print(*fact)
    if result.violation is None:
        print(f"seed v{VERSION}:{plan.seed}: no violation; {result.starts} handler calls, digest {result.digest}")
        return 0
    print(describe(plan, result))
    if shrink:
        print(f"shrunk plan (--plan FILE): {plan.as_json()}")
    return 1


def _many(first: int, last: int, *, as_json: bool) -> int:
    began = time.perf_counter()
    failing = starts = 0
    for seed in range(first, last + 1):
        result = simulate(plan_of(seed))
        starts += result.starts
        if result.violation is not None:
            failing += 1
            found = {"seed": seed, "violation": str(result.violation), "replay": replay_command(seed)}
            print(
                json.dumps(found) if as_json else f"{seed}: {result.violation}\n  {found['replay']} --shrink",
                flush=True,
            )
    summary = {"seeds": last - first + 1, "failing": failing, "starts": starts, "seconds": time.perf_counter() - began}
    print(json.dumps(summary) if as_json else f"{summary}", flush=True)
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
