"""A slow handler never costs the assignment; a thread that will not end costs its process, and only that."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.crash.fleet import Fleet
from tests.crash.ledger import Fault
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import CLASSIC, faults


def slow_run(seconds: float, poll_interval: float, kafka: dict[str, str] | None = None) -> Any:
    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        settings = {"max.poll.interval.ms": int(poll_interval * 1000), **(kafka or {})}
        grace = f"{poll_interval / 2:g}s"
        with Fleet(folder, bootstrap, seed, kafka=settings, stop_grace_period=grace, timeout="3m") as fleet:
            fleet.start(2)
            fleet.until(lambda: fleet.metric("penstock_partitions") == 12, "all have taken what is theirs")
            settled = fleet.metric("penstock_rebalances_total")
            with fleet.load(rate=20, what=lasting(0, 0.05)) as load:
                long = load.send(2, what=lambda _n, _c: {"seconds": seconds}, key="long")
                fleet.until(lambda: fleet.ledger.done.issuperset(long), "the slow runs are done", 3 * seconds)
            fleet.until_done()
            assert fleet.metric("penstock_rebalances_total") == settled
            fleet.stop(*fleet.living)
            return settle(fleet, f"runs of {seconds:g} s, max.poll.interval.ms {poll_interval:g} s")

    return scenario


def stuck_thread(bootstrap: str, folder: Path, seed: int) -> Outcome:
    short = {"timeout": "1s", "stop_grace_period": "1s"}
    with Fleet(folder, bootstrap, seed, handler="handlers:thread_work", threads=4, **short) as fleet:
        (worker,) = fleet.start(1)
        load = fleet.load(rate=0, what=lasting(0, 0.05))
        load.send(30)
        (stuck,) = load.send(1, what=lambda _n, _c: {"seconds": 3600}, key="stuck")
        load.send(30)
        assert worker.ended(30) == 70, worker.said()
        fleet.ledger.faults.append(Fault(time.monotonic(), frozenset({worker.pid})))
        (again,) = fleet.start(1)
        assert again.ended(30) == 70, again.said()
        assert stuck in {line.n for line in fleet.ledger.repeated()}
        del fleet.ledger.sent[stuck]  # not lost: it stays unfinished, and would be tried again
        # Whatever had ended was committed before the process ended itself.
        return settle(fleet, "a thread that never ends", within=0)


@faults(slow_run(10, 6), slow_run(10, 6, CLASSIC))
def test_a_run_longer_than_the_poll_interval_keeps_its_partitions(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(slow_run(90, 10), slow=True, only_long=True)
def test_a_run_of_ninety_seconds_keeps_its_partitions(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(stuck_thread)
def test_a_thread_that_never_ends_costs_its_process_and_nothing_else(outcomes):
    assert all(one.lost == 0 for one in outcomes)
