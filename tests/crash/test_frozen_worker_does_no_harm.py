"""SIGSTOP beyond the session timeout, then SIGCONT: what comes back commits nothing of what others have now."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from tests.crash.fleet import Fleet
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import CLASSIC, faults

LEARNS_WITHIN = 3.0  # seconds until a worker that comes back knows


def frozen(fault: str, seconds: float, kafka: dict[str, str] | None = None) -> Any:
    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, kafka=kafka) as fleet:
            fleet.start(2)
            with fleet.load(rate=40, what=lasting(0.05, 0.4)):
                fleet.until(lambda: len(fleet.ledger.done) > 20, "work is done")
                time.sleep(fleet.chance.uniform(0, 1))
                zombie = fleet.chance.choice(fleet.at_work())
                moment = fleet.freeze(zombie)
                fleet.until(lambda: fleet.ledger.recovery(moment) is not None, "the partitions left behind go on")
                time.sleep(max(0.0, moment.time + seconds - time.monotonic()))
                fleet.thaw(zombie, moment, LEARNS_WITHIN)
                fleet.until(lambda: knows(fleet, zombie), "the zombie knows that it was one", LEARNS_WITHIN)
                time.sleep(2)  # what it might still commit would be seen by now
            fleet.until_done()
            fleet.stop(*fleet.living)
            for partition, offsets in fleet.commits().items():
                back = [pair for pair in itertools.pairwise(offsets) if pair[1] < pair[0]]
                assert not back, f"{partition} was committed backwards: {back}\n{fleet.last_words()}"
            assert not fleet.ledger.out_of_order()
            return settle(fleet, fault)

    return scenario


def knows(fleet: Fleet, zombie: Any) -> bool:
    """It ended, or counts what it lost."""
    try:
        return not zombie.alive or fleet.metric("penstock_partitions_lost_total", zombie) > 0
    except OSError:  # it ends just now
        return False


@faults(frozen("SIGSTOP 8 s, SIGCONT", 8), frozen("SIGSTOP 8 s, SIGCONT, classic protocol", 8, CLASSIC))
def test_a_worker_frozen_beyond_its_session_commits_nothing_when_it_wakes(outcomes):
    assert all(one.lost == 0 for one in outcomes)


@faults(frozen("SIGSTOP 15 s, SIGCONT", 15), only_long=True)
def test_a_worker_frozen_for_long_ends_itself(outcomes):
    assert all(one.lost == 0 for one in outcomes)
