"""Partitions added, topics of ours deleted, records removed, all while workers run: counted, and nothing else lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from penstock.record import TopicPartition
from tests.crash.fleet import Fleet
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import CLASSIC, faults


def partitions_added(fault: str, start_from: str, kafka: dict[str, str] | None = None) -> Any:
    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka, start_from=start_from) as fleet:
            fleet.start(2)
            fleet.until(lambda: len(fleet.committed()) == 4, "every start is committed")
            with fleet.load(rate=40, what=lasting(0.01, 0.1)):
                fleet.until(lambda: len(fleet.ledger.done) > 20, "work is done")
                fleet.ask(lambda admin: admin.add_partitions(fleet.topic, 8))
                added = [number for which in range(4, 8) for number in load_onto(fleet, which)]
                fleet.until(lambda: fleet.ledger.done.issuperset(added), "the new partitions are read from their start")
                time.sleep(1)
            fleet.until_done()
            fleet.stop(*fleet.living)
            return settle(fleet, fault)

    return scenario


def load_onto(fleet: Fleet, partition: int) -> list[int]:
    """Five records on one partition, from a sender of its own, that knows of it."""
    fleet.until(lambda: len(fleet.partitions()) > partition, "the partition is there")
    sender = fleet.load(rate=0, first=100_000 + 100 * partition)
    return sender.send(5, key=None, partition=partition)


def retry_topic_deleted(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with Fleet(folder, bootstrap, seed) as fleet:
        fleet.start(1)
        load = fleet.load(rate=0)
        load.send(10, what=lambda _n, _c: {"fail": 1})
        fleet.until_done()  # nothing waits there now: what an operator deletes with a topic is gone
        fleet.ask(lambda admin: admin.delete_topics([f"{fleet.group}.retry.1s"]))
        load.send(40, what=lambda number, _c: {"fail": 1 + number % 2})
        fleet.until_done()
        fleet.stop(*fleet.living)
        return settle(fleet, "retry topic deleted")


def dead_letter_topic_deleted(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with Fleet(folder, bootstrap, seed) as fleet:
        fleet.start(1)
        load = fleet.load(rate=0)
        load.send(10, what=lambda _n, _c: {"reject": True})
        fleet.until_done(fleet.dead_letters)
        deleted = fleet.dead_letters()
        fleet.ask(lambda admin: admin.delete_topics([f"{fleet.group}.dlt"]))
        load.send(40, what=lambda number, _c: {"reject": number % 2 == 0})
        dead = deleted.keys()
        fleet.until_done(lambda: {*dead, *fleet.dead_letters()})
        fleet.stop(*fleet.living)
        return settle(fleet, "dead letter topic deleted", dead={*dead, *fleet.dead_letters()})


def records_removed(bootstrap: str, folder: Path, seed: int) -> Outcome:
    # A prefetch so small that most of the backlog is still at the broker.
    small = {"queued.min.messages": 10, "queued.max.messages.kbytes": 64, "fetch.message.max.bytes": 16384}
    with Fleet(folder, bootstrap, seed, partitions=1, kafka=small, ordering="none", concurrency=10) as fleet:
        load = fleet.load(rate=40, what=lambda _n, _c: {"seconds": 0.02, "ballast": "x" * 300})
        load.send(8000)
        (worker,) = fleet.start(1)
        with load:
            fleet.until(lambda: len(fleet.ledger.done) > 100, "work is done")
            before = 7000 + fleet.chance.randrange(900)
            fleet.ask(lambda admin: admin.delete_records({TopicPartition(fleet.topic, 0): before}))
            fleet.until(lambda: fleet.metric("penstock_records_lost_total"), "the loss is counted")
        kept = {number for number in fleet.ledger.sent if number >= before}  # one partition: numbers are offsets
        fleet.until(lambda: fleet.ledger.done.issuperset(kept), "what is left is done")
        fleet.until(lambda: fleet.metric("penstock_queued") + fleet.metric("penstock_in_flight") == 0, "nothing runs")
        removed, counted = fleet.ledger.missing(), fleet.metric("penstock_records_lost_total")
        assert removed
        assert len(removed) == counted, f"{len(removed)} removed unread, {counted:.0f} counted\n{fleet.last_words()}"
        assert "removed from the log before they were read" in worker.said()
        for number in removed:
            del fleet.ledger.sent[number]
        fleet.stop(worker)
        return settle(fleet, "records removed before they were read")


@faults(
    partitions_added("partitions added", "earliest"),
    partitions_added("partitions added, start_from latest", "latest"),
    partitions_added("partitions added, classic protocol", "latest", CLASSIC),
)
def test_partitions_added_later_are_read_from_their_beginning(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(retry_topic_deleted, dead_letter_topic_deleted)
def test_a_deleted_retry_or_dead_letter_topic_loses_nothing(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(records_removed)
def test_records_removed_unread_are_counted_and_the_rest_goes_on(outcomes):
    assert all(one.lost == 0 for one in outcomes)
