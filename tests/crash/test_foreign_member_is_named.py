"""An eager neighbour in the group: the worker cannot join, says after half a minute who is in its way, and ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Consumer

from tests.crash.fleet import Fleet
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import faults


@contextlib.contextmanager
def neighbour(fleet: Fleet) -> Iterator[None]:
    """Some other program that consumes with our group id, in the eager way."""
    consumer = Consumer(
        {
            "bootstrap.servers": fleet.bootstrap,
            "group.id": fleet.group,
            "client.id": "the-neighbour",
            "partition.assignment.strategy": "range",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([fleet.topic])
    stopping = threading.Event()

    def consume() -> None:
        while not stopping.is_set():
            consumer.poll(0.1)
        consumer.close()

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        fleet.until(lambda: fleet.ask(lambda admin: admin.group(fleet.group)).state == "stable", "the neighbour is in")
        yield
    finally:
        stopping.set()
        thread.join()


def eager_neighbour(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with Fleet(folder, bootstrap, seed) as fleet:
        load = fleet.load(rate=0)
        with neighbour(fleet):
            load.send(20)
            worker = fleet.launch("run", "work", "--port", "0", "--log-format", "json")
            assert worker.ended(60) == 1, worker.said()
            assert "the-neighbour" in worker.said()
            assert not fleet.ledger.lines
        fleet.start(1)
        fleet.until_done()
        fleet.stop(*fleet.living)
        return settle(fleet, "an eager neighbour in the group")


@faults(eager_neighbour, only_long=True)
def test_an_eager_neighbour_is_named(outcomes):
    assert all(one.lost == 0 for one in outcomes)
