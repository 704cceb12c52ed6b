"""An event that kills its process, among a thousand others, under the supervisor: it ends as a dead letter, alone."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.crash.fleet import Fleet
from tests.crash.ledger import Fault
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import faults


def poison(bootstrap: str, folder: Path, seed: int) -> Outcome:
    with Fleet(folder, bootstrap, seed, replicas=2) as fleet:
        load = fleet.load(rate=0, what=lasting(0.01, 0.05))
        before = fleet.chance.randrange(1000)
        load.send(before)
        (killer,) = load.send(1, what=lambda _n, _c: {"exit": True})
        load.send(1000 - before)
        supervisor = fleet.launch("up")
        fleet.until(lambda: not fleet.ledger.missing(fleet.dead_letters()), "all others are done", 150)
        supervisor.signal(signal.SIGTERM)
        assert supervisor.ended() == 0
        dead = fleet.dead_letters()
        assert dead == {killer: "crashed"}
        deaths = [line for line in fleet.ledger.of("start") if line.n == killer]
        fleet.ledger.faults += [Fault(line.time, frozenset({line.pid})) for line in deaths]
        return settle(fleet, "an event that kills its process", dead=dead)


@faults(poison, slow=True)
def test_an_event_that_kills_its_process_ends_as_a_dead_letter(outcomes):
    assert all(one.lost == 0 for one in outcomes)
