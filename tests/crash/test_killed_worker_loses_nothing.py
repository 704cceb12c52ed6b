"""kill -9 of a worker under load: nothing is lost, only what it had in hand is done twice, its partitions move on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.crash.fleet import Fleet
from tests.crash.ledger import COMMITTED_WITHIN, COMMITTED_WITHIN_FAST, Fault
from tests.crash.load import lasting, quick
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import CLASSIC, faults

FAILOVER = 6.0
BEYOND = 8.0  # seconds for the rebalance and the first run on a loaded machine; the page has the figure itself


def killed(fault: str, within: float, load: dict[str, Any], kafka: dict[str, str] | None = None) -> Any:
    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka) as fleet:
            fleet.start(2)
            with fleet.load(**load):
                fleet.until(lambda: len(fleet.ledger.done) > 20, "work is done")
                time.sleep(fleet.chance.uniform(0, 2))  # the moment is the seed's
                gone = fleet.kill(fleet.chance.choice(fleet.at_work()))
                fleet.until(lambda: fleet.ledger.recovery(gone) is not None, "the partitions left behind go on")
            fleet.until_done()
            fleet.stop(*fleet.living)
            outcome = settle(fleet, fault, within=within)
            assert max(outcome.seconds) <= FAILOVER + BEYOND
            return outcome

    return scenario


def killed_again_and_again(bootstrap: str, folder: Path, seed: int) -> Outcome:
    """Five hundred slow agents, and a worker killed seven times over: three seeds are more than twenty kills.

    The next kill waits until what the last one cut off is done, and what waited behind it for a busy key: two deaths
    over the same records are another story, in which these run one at a time (test_poison_event_is_found).
    """
    app = {"partitions": 12, "concurrency": 500, "failover": "10s"}
    with Fleet(folder, bootstrap, seed, **app) as fleet:
        fleet.start(2)
        taken: list[float] = []
        with fleet.load(rate=150, what=lasting(2, 2), keys=1000):
            for kill in range(7):
                # Every partition has run something in this life of the group, else its owner is not known.
                began = time.monotonic()
                fleet.until(lambda since=began: len(ran(fleet, since)) == 12, "every partition runs")
                time.sleep(fleet.chance.uniform(1, 3))
                gone = fleet.kill(fleet.chance.choice(fleet.at_work()))
                left = {one for one, pid in fleet.ledger.owners(gone.time).items() if pid in gone.pids}
                fleet.until(lambda fault=gone, left=left: left <= ran(fleet, fault.time, fault).keys(), "all go on")
                taken += [moment - gone.time for one, moment in ran(fleet, gone.time, gone).items() if one in left]
                below = highest_started(fleet, gone.until)
                fleet.until(
                    lambda below=below: all_done(fleet, below), "all is done below the highest that had started"
                )
                if kill < 6:
                    fleet.start(1)
        fleet.until_done()
        fleet.stop(*fleet.living)
        outcome = settle(fleet, "kill -9 seven times, 500 slow agents, failover 10 s", seconds=taken)
        assert max(taken) <= 12, f"{outcome}: first event of an abandoned partition after {max(taken):.1f} s"
        return outcome


def ran(fleet: Fleet, since: float, gone: Fault | None = None) -> dict[int, float]:
    """The partitions of which something started since then (elsewhere than where a fault fell), and when first."""
    found: dict[int, float] = {}
    for line in fleet.ledger.of("start"):
        if line.time > since and line.topic == fleet.topic and (gone is None or line.pid not in gone.pids):
            found.setdefault(line.partition, line.time)
    return found


def highest_started(fleet: Fleet, until: float) -> dict[int, int]:
    """The highest offset of each source partition that had started by then."""
    found: dict[int, int] = {}
    for line in fleet.ledger.of("start"):
        if line.time <= until and line.topic == fleet.topic:
            found[line.partition] = max(line.offset, found.get(line.partition, 0))
    return found


def all_done(fleet: Fleet, below: dict[int, int]) -> bool:
    """Whether every record up to these offsets has ended; the source has no gaps."""
    ended = {(line.partition, line.offset) for line in fleet.ledger.of("end") if line.topic == fleet.topic}
    return all((partition, offset) in ended for partition, top in below.items() for offset in range(top + 1))


slow = {"rate": 60, "what": lasting(0.05, 0.4)}
fast = {"rate": 1200, "what": quick}


@faults(
    killed("kill -9, slow runs", COMMITTED_WITHIN, slow),
    killed("kill -9, slow runs, classic protocol", COMMITTED_WITHIN, slow, CLASSIC),
)
def test_kill_9_under_slow_work(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(
    killed("kill -9, fast runs", COMMITTED_WITHIN_FAST, fast),
    killed("kill -9, fast runs, classic protocol", COMMITTED_WITHIN_FAST, fast, CLASSIC),
)
def test_kill_9_under_fast_work(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(killed_again_and_again, slow=True, only_long=True)
def test_kill_9_again_and_again_under_slow_agents(outcomes):
    assert all(one.lost == 0 for one in outcomes)
