"""Two thousand seeds without a violation; and the simulation itself: it replays, shrinks, and knows its version."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.run import WrongVersion, main, read_seed, replay_command
from tests.simulation.shrink import shrunk
from tests.simulation.simulate import simulate
from tests.simulation.world import VERSION, Fault, Plan, plan_of

ROOT = Path(__file__).resolve().parents[2]
SEEDS = int(os.environ.get("PENSTOCK_SIM_SEEDS", "2000"))
FIRST = int(os.environ.get("PENSTOCK_SIM_FIRST", "0"))
PROCESSES = min(os.cpu_count() or 1, 8)
# Plans that once found a bug, with what it was; VERSION may move on, these stay as they are.
REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.json"))
# The digest of the first plans: where it changes, VERSION must.
PLANS = {1: "d6df8a01a77090dd", 2: "15870052a08af47c"}


def in_processes(first: int, last: int) -> list[subprocess.Popen[str]]:
    """The command over the range, split between the cores."""
    size = -(-(last - first + 1) // PROCESSES)
    ranges = [(start, min(start + size - 1, last)) for start in range(first, last + 1, size)]
    command = [sys.executable, "-m", "tests.simulation.run", "--json", "--seeds"]
    return [
        subprocess.Popen([*command, f"{start}..{end}"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for start, end in ranges
    ]


def test_no_seed_breaks_an_invariant():
    failing, seeds = [], 0
    for process in in_processes(FIRST, FIRST + SEEDS - 1):
        output, _ = process.communicate(timeout=60 + SEEDS)
        *found, last = [json.loads(line) for line in output.splitlines()]
        failing += [f"{one['violation']}\n  {one['replay']} --shrink" for one in found]
        seeds += last["seeds"]

    assert failing == [], "\n".join(failing)
    assert seeds == SEEDS


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_plans_that_once_found_a_bug(path):
    assert simulate(Plan.of_json(path.read_text())).violation is None


def test_a_seed_replays_exactly_in_any_process():
    """Nothing may hang on the order of a set or on an address in memory."""
    digests = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation.run", "--digests", "100..119"]
        environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
        digests.add(subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout)

    assert len(digests) == 1
    assert len(next(iter(digests)).splitlines()) == 20


def test_plans_meet_every_kind_of_fault():
    kinds = {fault.kind for seed in range(200) for fault in plan_of(seed).faults}

    assert kinds >= {"crash", "expire", "stop", "stop_hard", "scale", "commits", "produces", "fetches", "silence"}
    assert kinds >= {"gap", "truncate", "reset", "add_partition", "clock"}


def test_a_plan_survives_json():
    assert all(Plan.of_json(plan_of(seed).as_json()) == plan_of(seed) for seed in range(20))


def test_the_version_moves_with_the_plans():
    text = "".join(plan_of(seed).as_json() for seed in range(20))

    assert PLANS[VERSION] == hashlib.sha256(text.encode()).hexdigest()[:16], "other plans: raise VERSION, add a line"


def test_a_seed_of_another_version_says_why_it_cannot_be_replayed(capsys):
    assert read_seed(f"v{VERSION}:17") == read_seed("17") == 17
    with pytest.raises(WrongVersion, match="printed by version 0"):
        read_seed("v0:17")
    assert main(["--seed", "v0:17"]) == 2
    assert "the same number means another plan" in capsys.readouterr().err


def test_a_failing_seed_prints_one_command_and_is_shrunk(monkeypatch, capsys):
    """A log that loses a record behind everyone's back must be found, and little of the plan is needed for it."""
    from tests.mutations.catalogue import MUTATIONS

    with MUTATIONS["commit-highest-seen"].applied():
        seed = next(seed for seed in range(100) if simulate(plan_of(seed)).violation is not None)
        assert main(["--seed", str(seed)]) == 1
        assert f"replay: {replay_command(seed)}" in capsys.readouterr().out
        plan = plan_of(seed)
        invariant = simulate(plan).violation.invariant
        small = shrunk(plan, invariant, budget=10)
        assert simulate(small).violation.invariant == invariant
    assert len(small.sendings) + len(small.faults) <= 4


def test_the_simulation_notices_a_worker_that_never_comes_back():
    """The checker must be able to fail: nobody is left to do the work."""
    plan = replace(plan_of(3), faults=(Fault("scale", 0.5, amount=0),))

    assert simulate(plan).violation.invariant == "settles"
