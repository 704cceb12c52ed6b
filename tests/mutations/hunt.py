"""Looks for a seed that finds a mutation, the known one first; writes the table of docs/simulation.md.

python -m tests.mutations.hunt [NAME ...]          prints what finds each
python -m tests.mutations.hunt --write             puts the table into docs/simulation.md
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.mutations.catalogue import MUTATIONS, Mutation
from tests.simulation.checker import INVARIANTS, Violation
from tests.simulation.simulate import simulate
from tests.simulation.world import VERSION, plan_of

SEEDS = 150  # how many are tried beside the known one
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "simulation.md"
BEGIN, END = "<!-- written by `python -m tests.mutations.hunt --write`: begin -->", "<!-- end -->"


@dataclass(frozen=True)
class Found:
    """The seed that finds a mutation, and the invariant it breaks."""

    seed: int
    violation: Violation


def hunt(mutation: Mutation) -> Found | None:
    """The first seed that finds it; None where none of the range does."""
    with mutation.applied():
        for seed in (mutation.seed, *range(SEEDS)):
            violation = simulate(plan_of(seed)).violation
            if violation is not None:
                return Found(seed, violation)
    return None


def table() -> str:
    """Invariants and mutations, in Markdown."""
    lines = ["| Invariant | What it says |", "|---|---|"]
    lines += [f"| `{name}` | {sentence} |" for name, sentence in INVARIANTS.items()]
    lines += ["", "| Mutation | What it breaks | Caught by | Seed |", "|---|---|---|---|"]
    for one in MUTATIONS.values():
        found = hunt(one)
        caught = (f"`{found.violation.invariant}`", f"v{VERSION}:{found.seed}") if found else ("**nothing**", "")
        lines.append(f"| `{one.name}` | {one.breaks} | {caught[0]} | {caught[1]} |")
    return "\n".join(lines)


def main() -> int:
    """Exit code 1 where one is not caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
        return 0
    missed = 0
    for name in given.names or MUTATIONS:
        found = hunt(MUTATIONS[name])
        missed += found is None
        print(f"{name}: {f'seed {found.seed}: {found.violation}' if found else 'NOT CAUGHT'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
