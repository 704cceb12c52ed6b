"""The broker killed and restarted, or gone for a minute, under load: the workers outlive it, and nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from penstock import local_kafka
from tests.crash.fleet import Fleet
from tests.crash.ledger import Fault
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import Scenario, faults

SETTLED_WITHIN = 15.0  # seconds after the broker serves again until the group works as before


def broker_trouble(fault: str, away: float, *, killed: bool) -> Scenario:
    """The only broker is killed, or stands still (which is how an unreachable one looks), for so many seconds."""

    def scenario(_shared: str, folder: Path, seed: int) -> Outcome:
        data = folder / f"kafka-{seed}-{killed}"
        try:
            broker = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
            with Fleet(folder, broker.bootstrap, seed) as fleet:
                workers = fleet.start(2)
                with fleet.load(rate=40, what=lasting(0.05, 0.4)):
                    fleet.until(lambda: len(fleet.ledger.done) > 20, "work is done")
                    time.sleep(fleet.chance.uniform(0, 1))
                    crash = Fault(time.monotonic(), frozenset(worker.pid for worker in workers))
                    be_away(data, broker.pid, away * fleet.chance.uniform(0.2, 1) if killed else away, killed=killed)
                    back = time.monotonic()
                    # While the broker was away nothing could be committed: what ended then may be done again.
                    fleet.ledger.faults.append(replace(crash, until=back + SETTLED_WITHIN))
                    fleet.until(lambda: ends_after(fleet, back), "runs that started after it end", 90)
                    seconds = ends_after(fleet, back)[0] - crash.time
                    time.sleep(2)
                fleet.until_done()
                assert all(worker.alive for worker in workers), fleet.last_words()
                fleet.stop(*workers)
                return settle(fleet, fault, seconds=[seconds])
        finally:
            local_kafka.wipe(data)

    return scenario


def be_away(data: Path, pid: int, seconds: float, *, killed: bool) -> None:
    """Kill the broker and start it again, or stop its process and let it go on."""
    if killed:
        local_kafka.kill(data)
        time.sleep(seconds)
        local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
        return
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def ends_after(fleet: Fleet, moment: float) -> list[float]:
    started = {(line.n, line.attempt) for line in fleet.ledger.of("start") if line.time > moment}
    return [line.time for line in fleet.ledger.of("end") if (line.n, line.attempt) in started]


@faults(broker_trouble("kill -9 of the broker, restart", 3, killed=True), slow=True)
def test_a_killed_broker_loses_nothing(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(broker_trouble("broker unreachable for a minute", 60, killed=False), slow=True, only_long=True)
def test_a_broker_unreachable_for_a_minute_loses_nothing(outcomes):
    assert all(one.lost == 0 for one in outcomes)
