"""Records of the largest size the topic takes, and two apps in one group: said where it matters, nothing lost."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml

from tests.crash.fleet import Fleet
from tests.crash.load import Load, What
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import faults

LARGEST = 20_000  # max.message.bytes of the source
RATHER_LARGE = LARGEST - 40  # a value of so many bytes is too much, with what a batch adds


def padded(to: int, what: dict[str, Any]) -> What:
    """An event whose value has so many bytes."""

    def event(number: int, _chance: random.Random) -> dict[str, Any]:
        bare = len(json.dumps({"n": number, **what, "pad": ""}))
        return {**what, "pad": "x" * (to - bare)}

    return event


def send_the_largest(load: Load, fleet: Fleet, **what: Any) -> int:
    """Send a record as large as the topic takes, found by asking for less and less; returns its number."""
    for size in range(RATHER_LARGE, 0, -1):
        (number,) = load.send(what=padded(size, what), key="large")
        if number in fleet.ledger.sent:
            assert size < RATHER_LARGE, "the first was to be refused"
            return number
    raise AssertionError("the topic takes nothing")


def largest_records(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with Fleet(folder, bootstrap, seed, configs={"max.message.bytes": LARGEST}) as fleet:
        load = fleet.load(rate=0)
        fleet.start(1)
        done, retried = send_the_largest(load, fleet), send_the_largest(load, fleet, fail=1)
        buried = send_the_largest(load, fleet, reject=True)
        fleet.until(lambda: {done, retried} <= fleet.ledger.done, "what may succeed has")
        fleet.until(lambda: fleet.dead_letters() == {buried: "rejected"}, "what is rejected is a dead letter")
        fleet.stop(*fleet.living)
        return settle(fleet, "records of the largest size", dead=fleet.dead_letters())


def two_apps(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with Fleet(folder, bootstrap, seed) as fleet:
        fleet.start(1)
        other = yaml.safe_load((fleet.folder / "topology.yaml").read_text())
        other["processors"]["work"]["handler"] = "handlers:thread_work"
        path = fleet.folder / "other.yaml"
        path.write_text(yaml.safe_dump(other))
        stranger = fleet.launch("run", "work", "--port", "0", "-f", str(path))
        fleet.at_peace()
        with fleet.load(rate=50):
            fleet.until(lambda: "declared otherwise" in stranger.said(), "who joins says it")
        assert f"-{fleet.workers[0].pid}-" in stranger.said(), "by name"
        fleet.until_done()
        fleet.stop(*fleet.living)
        return settle(fleet, "two apps in one group")


@faults(largest_records)
def test_the_largest_records_are_done_retried_and_buried(outcomes):
    assert all(one.done == 2 and one.dead == 1 for one in outcomes)


@faults(two_apps, only_long=True)
def test_another_app_in_the_group_is_named(outcomes):
    assert all(one.lost == 0 for one in outcomes)
