"""A careful replay: a few entries first, their end awaited; the rest only while no more than a given share fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from penstock.broker.contract import Broker
from penstock.clock import Clock, SystemClock
from penstock.dead_letter.replay import ReplayPlan
from penstock.dead_letter.replay import replay as replay_plan
from penstock.dead_letter.sending import Tally
from penstock.dead_letter.settling import Result
from penstock.dead_letter.verdict import Verdict, Watch
from penstock.errors import PenstockError

PATIENCE: Final = 600.0  # seconds that the first ones have
_PORTION: Final = 1000  # entries of the rest between two looks at how it goes


@dataclass(frozen=True, slots=True)
class CarefulResult:
    """How a careful replay went. `stopped` says why the rest was not replayed, '' where all was.

    `canary` is how the first ones ended, `verdict` how all stood when the command came to its end.
    """

    result: Result
    canary: Verdict
    verdict: Verdict
    stopped: str


async def replay_carefully(
    broker: Broker,
    plan: ReplayPlan,
    *,
    replay_id: str,
    canary: int,
    max_failure_rate: float,
    rate: float | None = None,
    patience: float = PATIENCE,
    progress: Callable[[int], None] = lambda _count: None,
    told: Callable[[Verdict], None] = lambda _verdict: None,
    clock: Clock | None = None,
) -> CarefulResult:
    """Replay the `canary` oldest entries of the plan, wait for them, then the rest at `rate` a second.

    It stops where the share that failed is above `max_failure_rate` (0 to 1), or where the first ones do not end within
    `patience`; what was not replayed waits on, and the same command goes on there. `told` hears how the first ones
    ended. Raises PenstockError where nobody would run them.
    """
    if not plan.workers:
        raise PenstockError(
            f"no worker of {plan.selection.group_id} runs: nobody would run the first {canary}",
            "start one, or replay without --canary",
        )
    clock = clock or SystemClock()
    watch = Watch(broker, plan.selection.group_id, replay_id, clock)
    await watch.begin()
    positions = sorted(plan.selection.positions)
    portions = [positions[:canary], *(positions[at : at + _PORTION] for at in range(canary, len(positions), _PORTION))]
    result = Result(replay_id, Tally())
    first = verdict = Verdict(0, 0, 0)
    for number, portion in enumerate(portions):
        part = replace(plan, selection=replace(plan.selection, positions=frozenset(portion)))
        done = await replay_plan(broker, part, replay_id=replay_id, rate=rate, progress=progress, clock=clock)
        result = _joined(result, done)
        if result.tally.interrupted:
            return CarefulResult(result, first, verdict, result.tally.interrupted)
        verdict = await (watch.look() if number else watch.ended(patience))
        if not number:
            first = verdict
            told(verdict)
        stopped = _objection(verdict, max_failure_rate, first=not number)
        if stopped:
            return CarefulResult(result, first, verdict, stopped)
    return CarefulResult(result, first, verdict, "")


def _objection(verdict: Verdict, most: float, *, first: bool) -> str:
    if verdict.rate > most:
        ended = verdict.well + verdict.failed
        return f"{verdict.failed} of {ended} failed ({verdict.rate:.0%}, allowed are {most:.0%})"
    if first and verdict.open:
        return f"{verdict.open} of the first have not ended"
    return ""


def _joined(one: Result, other: Result) -> Result:
    a, b = one.tally, other.tally
    tally = Tally(
        a.written + b.written,
        a.passed_over + b.passed_over,
        a.refusals + b.refusals,
        (*a.refused, *b.refused)[:20],
        b.interrupted,
    )
    contested = None if one.contested is None or other.contested is None else max(one.contested, other.contested)
    return Result(one.replay_id, tally, contested)
