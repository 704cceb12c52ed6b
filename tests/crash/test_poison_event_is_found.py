"""An event that kills its process, among a thousand others, under the supervisor: it ends as a dead letter, alone."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.crash.fleet import Fleet
from tests.crash.ledger import COMMITTED_WITHIN_FAST, Fault
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import Scenario, faults


def poison(fault: str, done_before: int, patience: float, partitions: int) -> Scenario:
    """A killer and 1,000 others, of which so many are done before it comes; the rest comes together with it."""

    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, partitions=partitions, replicas=2) as fleet:
            load = fleet.load(rate=0, what=lasting(0.01, 0.05))
            load.send(done_before)
            supervisor = fleet.launch("up")
            fleet.until_done()
            before = fleet.chance.randrange(1000 - done_before)
            load.send(before)
            (killer,) = load.send(1, what=lambda _n, _c: {"exit": True})
            load.send(1000 - done_before - before)
            fleet.until(lambda: not fleet.ledger.missing(fleet.dead_letters()), "all others are done", patience)
            supervisor.signal(signal.SIGTERM)
            assert supervisor.ended() == 0
            dead = fleet.dead_letters()
            assert dead == {killer: "crashed"}, f"{dead}, the killer is {killer}\n{fleet.last_words(150)}"
            deaths = [line for line in fleet.ledger.of("start") if line.n == killer]
            fleet.ledger.faults += [Fault(line.time, frozenset({line.pid})) for line in deaths]
            # While workers come and go commits wait for the rebalance.
            return settle(fleet, fault, within=COMMITTED_WITHIN_FAST, dead=dead)

    return scenario


@faults(poison("an event that kills its process, one partition", 900, 150, 1), slow=True)
def test_an_event_that_kills_its_process_ends_as_a_dead_letter(outcomes):
    assert all(one.dead == 1 and one.done == 1000 for one in outcomes)


@faults(
    poison("an event that kills its process, four partitions", 900, 150, 4),
    poison("an event that kills its process, four partitions, in a backlog", 0, 400, 4),
    slow=True,
    only_long=True,
)
def test_an_event_that_kills_its_process_is_found_beside_other_partitions(outcomes):
    assert all(one.dead == 1 and one.done == 1000 for one in outcomes)
