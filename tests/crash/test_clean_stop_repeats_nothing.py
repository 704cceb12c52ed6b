"""SIGTERM drains: rolling restarts, scaling, stops in the middle of everything repeat nothing and lose nothing."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from tests.crash.fleet import Fleet
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import CLASSIC, faults


def rolling(fault: str, kafka: dict[str, str] | None = None) -> Any:
    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka) as fleet:
            old = fleet.start(2)
            with fleet.load(rate=40, what=lasting(0.05, 0.6)):
                for worker in old:
                    time.sleep(fleet.chance.uniform(0.2, 1))
                    fleet.stop(worker)
                    fleet.start(1)
                time.sleep(0.5)
            fleet.until_done()
            fleet.stop(*fleet.living)
            return settle(fleet, fault)

    return scenario


def scaled(fault: str, kafka: dict[str, str] | None = None) -> Any:
    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka) as fleet:
            fleet.start(1)
            with fleet.load(rate=40, what=lasting(0.05, 0.6)):
                time.sleep(fleet.chance.uniform(0.2, 1))
                fleet.start(2)
                fleet.until(lambda: len(fleet.at_work()) == 3, "all three run records of the source")
                fleet.stop(*fleet.chance.sample(fleet.living, 2))
                fleet.at_peace()
                time.sleep(0.5)
            fleet.until_done()
            fleet.stop(*fleet.living)
            return settle(fleet, fault)

    return scenario


def anything(_number: int, chance: random.Random) -> dict[str, Any]:
    """Runs long and short, some that fail once or twice, some for the dead letter topic."""
    asked: dict[str, Any] = {"seconds": round(chance.uniform(0, 1.5), 3)}
    if chance.random() < 0.2:
        asked["fail"] = chance.randint(1, 2)
    if chance.random() < 0.05:
        asked["reject"] = True
    return asked


def stopped_amid(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with Fleet(folder, bootstrap, seed, concurrency=40) as fleet:
        with fleet.load(rate=40, what=anything):
            for _ in range(3):
                (worker,) = fleet.start(1)
                time.sleep(fleet.chance.uniform(0.3, 2))
                fleet.stop(worker)
        (worker,) = fleet.start(1)
        fleet.until_done(fleet.dead_letters)
        fleet.stop(worker)
        return settle(fleet, "SIGTERM amid retries and dead letters", dead=fleet.dead_letters())


@faults(rolling("rolling restart"), rolling("rolling restart, classic protocol", CLASSIC))
def test_a_rolling_restart_repeats_nothing(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(scaled("scale 1, 3, 1"), scaled("scale 1, 3, 1, classic protocol", CLASSIC))
def test_scaling_out_and_in_repeats_nothing_and_gives_everyone_work(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(stopped_amid)
def test_a_stop_in_the_middle_of_everything_drains(outcomes):
    assert all(one.lost == 0 for one in outcomes)
