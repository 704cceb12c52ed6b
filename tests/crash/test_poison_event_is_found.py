"""An event that kills its process, among a thousand others: it ends as a dead letter, alone, after few deaths."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from tests.crash.fleet import Fleet
from tests.crash.ledger import COMMITTED_WITHIN_FAST, Fault
from tests.crash.load import lasting
from tests.crash.outcome import Outcome, settle
from tests.crash.scenario import Scenario, faults

MOST_DEATHS = 8  # three where nothing else happens; a rebalance between two deaths may cost one or two more


def poison(fault: str, done_before: int, partitions: int, *, supervised: bool = True, others: int = 1000) -> Scenario:
    """A killer and so many others, some of them done before it comes; the rest comes together with it."""

    def scenario(bootstrap: str, folder: Path, seed: int) -> Outcome:
        with Fleet(folder, bootstrap, seed, partitions=partitions, replicas=2) as fleet:
            load = fleet.load(rate=0, what=lasting(0.01, 0.05))
            load.send(done_before)
            tend = under_supervisor(fleet) if supervised else by_hand(fleet)
            fleet.until(lambda: tend() and not fleet.ledger.missing(), "what came before the killer is done")
            before = fleet.chance.randrange(others - done_before)
            load.send(before)
            (killer,) = load.send(1, what=lambda _n, _c: {"exit": True})
            load.send(others - done_before - before)
            fleet.until(lambda: tend() and not fleet.ledger.missing(fleet.dead_letters()), "all others are done", 240)
            for worker in fleet.living:
                worker.signal(signal.SIGTERM)
                assert worker.ended() == 0
            dead = fleet.dead_letters()
            assert dead == {killer: "crashed"}, f"{dead}, the killer is {killer}\n{fleet.last_words(150)}"
            deaths = [line for line in fleet.ledger.of("start") if line.n == killer]
            assert len(deaths) <= MOST_DEATHS, f"{len(deaths)} deaths\n{fleet.last_words(150)}"
            fleet.ledger.faults += [Fault(line.time, frozenset({line.pid})) for line in deaths]
            # While workers come and go commits wait for the rebalance.
            return settle(fleet, fault, within=COMMITTED_WITHIN_FAST, dead=dead)

    return scenario


def under_supervisor(fleet: Fleet) -> Callable[[], bool]:
    """`penstock up` starts again what dies."""
    fleet.launch("up")
    return lambda: True


def by_hand(fleet: Fleet) -> Callable[[], bool]:
    """One bare `penstock run`, started again whenever it is gone."""

    def tend() -> bool:
        if not fleet.living:
            fleet.launch("run", "work", "--port", "0", "--log-format", "json")
        return True

    tend()
    return tend


@faults(poison("an event that kills its process", 900, 1), slow=True)
def test_an_event_that_kills_its_process_ends_as_a_dead_letter(outcomes):
    assert all(one.dead == 1 and one.done == 1000 for one in outcomes)


@faults(
    poison("an event that kills its process, in a backlog of four partitions", 0, 4),
    poison("an event that kills its process, bare `penstock run`", 0, 4, supervised=False),
    slow=True,
    only_long=True,
)
def test_an_event_that_kills_its_process_is_found_in_a_backlog(outcomes):
    assert all(one.dead == 1 and one.done == 1000 for one in outcomes)


@faults(
    poison("an event that kills its process, 10,000 others, bare", 0, 4, supervised=False, others=10_000),
    slow=True,
    only_long=True,
)
def test_an_event_that_kills_its_process_is_found_among_ten_thousand(outcomes):
    assert all(one.dead == 1 and one.done == 10_000 for one in outcomes)
