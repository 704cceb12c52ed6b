"""kill -9 of a worker under load: nothing is lost, only what it had in hand is done twice, its partitions move on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.crash.fleet import Fleet
from tests.crash.ledger import COMMITTED_WITHIN, COMMITTED_WITHIN_FAST
from tests.crash.load import lasting, quick
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import CLASSIC, faults

FAILOVER = 6.0
BEYOND = 2.0  # seconds for the rebalance and the first run after the broker has noticed


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
