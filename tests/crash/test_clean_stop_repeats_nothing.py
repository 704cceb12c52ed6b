"""SIGTERM drains: rolling restarts, scaling, stops in the middle of everything repeat nothing and lose nothing."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer

from tests.crash.fleet import Fleet
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import CLASSIC, faults


def rolling(fault: str, kafka: dict[str, str] | None = None, count: int = 2) -> Any:
    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka, partitions=2 * count) as fleet:
            old = fleet.start(count)
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


def scaled(fault: str, kafka: dict[str, str] | None = None, most: int = 3, then: int = 1) -> Any:
    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka) as fleet:
            fleet.start(1)
            with fleet.load(rate=40, what=lasting(0.05, 0.6)):
                time.sleep(fleet.chance.uniform(0.2, 1))
                fleet.start(most - 1)
                fleet.until(lambda: len(fleet.at_work()) == most, "all run records of the source")
                fleet.stop(*fleet.chance.sample(fleet.living, most - then))
                fleet.at_peace()
                time.sleep(0.5)
            fleet.until_done()
            fleet.stop(*fleet.living)
            return settle(fleet, fault)

    return scenario


def stopped_at_once(fault: str, kafka: dict[str, str] | None = None) -> Any:
    """A deployment that ends all its workers within a second: each leaves while the others' leaving is dealt with."""

    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka, partitions=8) as fleet:
            with fleet.load(rate=60, what=lasting(0.05, 1.0)):
                for _ in range(2):
                    workers = fleet.start(4)
                    time.sleep(fleet.chance.uniform(0.2, 1))
                    for worker in workers:
                        worker.signal(signal.SIGTERM)
                        time.sleep(fleet.chance.uniform(0, 0.3))
                    assert {worker.ended() for worker in workers} == {0}, fleet.last_words()
            fleet.start(2)
            fleet.until_done()
            fleet.stop(*fleet.living)
            return settle(fleet, fault)

    return scenario


def rebalance_storm(fault: str, kafka: dict[str, str] | None = None) -> Any:
    """Members that join, take partitions, do nothing with them and leave, one after another."""

    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka) as fleet:
            fleet.start(2)
            with fleet.load(rate=40, what=lasting(0.05, 0.6)):
                settled = fleet.metric("penstock_rebalances_total")
                for _ in range(10):
                    visitor = idler(fleet, kafka)
                    fleet.until(lambda one=visitor: one.poll(0.1) or one.assignment(), "the visitor has partitions")
                    time.sleep(fleet.chance.uniform(0, 2))
                    visitor.close()
                assert fleet.metric("penstock_rebalances_total") > settled
                fleet.at_peace()
            fleet.until_done()
            fleet.stop(*fleet.living)
            return settle(fleet, fault)

    return scenario


def idler(fleet: Fleet, kafka: dict[str, str] | None) -> Consumer:
    """A member of the group that is none of ours."""
    protocol = {"group.protocol": "consumer", "group.remote.assignor": "range"}
    if kafka is not None:
        protocol = {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"}
        protocol |= {"session.timeout.ms": "6000"}
    settings = {"bootstrap.servers": fleet.bootstrap, "group.id": fleet.group, "enable.auto.commit": False}
    consumer = Consumer({**settings, **protocol, "auto.offset.reset": "earliest"})
    consumer.subscribe([fleet.topic])
    return consumer


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


@faults(stopped_at_once("all stopped at once"), stopped_at_once("all stopped at once, classic protocol", CLASSIC))
def test_workers_that_stop_together_repeat_nothing(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(
    rolling("rolling restart of four", count=4),
    scaled("scale 1, 4, 2", most=4, then=2),
    rebalance_storm("a storm of rebalances"),
    rebalance_storm("a storm of rebalances, classic protocol", CLASSIC),
    slow=True,
    only_long=True,
)
def test_many_workers_come_and_go_and_nothing_is_repeated(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(stopped_amid)
def test_a_stop_in_the_middle_of_everything_drains(outcomes):
    assert all(one.lost == 0 for one in outcomes)
