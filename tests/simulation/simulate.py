"""One plan lived through: the real engine, the in-memory log, virtual time. Returns the first violation, or none."""

from __future__ import annotations

import gc
import hashlib
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from penstock.engine import committer, intake
from penstock.testing.virtual_time import Deadlock, VirtualClock, run_virtual
from tests.simulation.checker import Violation
from tests.simulation.ledger import Ledger
from tests.simulation.stage import World
from tests.simulation.world import Plan

PATIENCE = 20.0  # real seconds a plan may take: then it turns in a circle


@dataclass(frozen=True)
class Result:
    """How a plan ended. `digest` is equal for equal runs; `starts` counts handler calls."""

    violation: Violation | None
    digest: str
    starts: int
    trace: tuple[tuple[object, ...], ...]


class _TooSlow(BaseException):
    """The real time is up."""


def simulate(plan: Plan) -> Result:
    """Live through a plan."""
    ledger = Ledger()
    worlds: list[World] = []

    async def main(clock: VirtualClock) -> None:
        world = World(plan, clock, ledger)
        worlds.append(world)
        try:
            await world.live()
        finally:
            for life in ledger.lives:
                life.worker.parts.pool._closed = True  # or it would replace the tasks that the loop's end cancels

    violation: Violation | None = None
    try:
        with _surroundings(plan):
            run_virtual(main)
    except Violation as found:
        violation = found
    except _TooSlow:
        violation = Violation("settles", f"no end after {PATIENCE:g} real seconds: it turns in a circle")
    except Deadlock as error:
        violation = Violation("error", str(error))
    except Exception as error:  # whatever escapes is a finding
        violation = Violation("error", repr(error))
    if worlds and worlds[0].checker.violation is not None:
        violation = worlds[0].checker.violation
    starts = sum(len(story.calls) for story in ledger.stories.values())
    digest = hashlib.sha256(repr(ledger.trace).encode()).hexdigest()[:16]
    return Result(violation, digest, starts, tuple(ledger.trace))


@contextmanager
def _surroundings(plan: Plan) -> Iterator[None]:
    """Small bounds where the plan wants them, silence, no garbage collection, and a limit on real time."""

    def stop(_signal: int, _frame: object) -> None:
        raise _TooSlow

    kept = intake.MOST_IN_FLIGHT, intake._LEAST_SHARE, committer.BRAKE
    kept_at_gates = intake.MOST_AT_GATES, intake.READ_AHEAD
    if plan.bound:
        intake.MOST_IN_FLIGHT, intake._LEAST_SHARE = plan.bound, 2
        intake.MOST_AT_GATES, intake.READ_AHEAD = plan.bound // 4, 0.0 if plan.bound < 16 else intake.READ_AHEAD
    if plan.brake:
        committer.BRAKE = plan.brake
    collecting = gc.isenabled()
    gc.disable()
    logging.disable(logging.CRITICAL)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, 1.0)  # again and again: the engine may take it for a failure
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        logging.disable(logging.NOTSET)
        if collecting:
            gc.enable()
        intake.MOST_IN_FLIGHT, intake._LEAST_SHARE, committer.BRAKE = kept
        intake.MOST_AT_GATES, intake.READ_AHEAD = kept_at_gates
