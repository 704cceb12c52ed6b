"""Makes a failing plan small: takes out faults, records and steps as long as the same invariant still breaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.simulation.simulate import simulate
from tests.simulation.world import Plan, Step

T = TypeVar("T")
BUDGET = 60.0  # real seconds


def shrunk(plan: Plan, invariant: str, *, budget: float = BUDGET) -> Plan:
    """The smallest plan found that breaks `invariant` too."""
    end = time.monotonic() + budget

    def fails(candidate: Plan) -> bool:
        if time.monotonic() > end:
            return False
        violation = simulate(candidate).violation
        return violation is not None and violation.invariant == invariant

    before = None
    while plan != before and time.monotonic() < end:
        before = plan
        plan = _without_parts(plan, fails)
        for simpler in _simpler(plan):
            if simpler != plan and fails(simpler):
                plan = simpler
                break
    return plan


def _without_parts(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    faults = _fewer(plan.faults, lambda kept: fails(replace(plan, faults=tuple(kept))))
    plan = replace(plan, faults=tuple(faults))
    sendings = _fewer(plan.sendings, lambda kept: fails(replace(plan, sendings=tuple(kept))))
    return replace(plan, sendings=tuple(sendings))


def _fewer(parts: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Delta debugging: take out halves, then quarters, ... then single ones."""
    size = max(len(parts) // 2, 1)
    while parts:
        at = 0
        while at < len(parts):
            kept = [*parts[:at], *parts[at + size :]]
            if fails(kept):
                parts = kept
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return parts


def _simpler(plan: Plan) -> Iterator[Plan]:
    """The same with one setting or one event made plain."""
    yield replace(plan, workers=1)
    yield replace(plan, partitions=1)
    yield replace(plan, ordering="key")
    yield replace(plan, preserve_order=False)
    yield replace(plan, start_from="earliest")
    yield replace(plan, forgetful=False)
    yield replace(plan, classic=False)
    yield replace(plan, observed=False)
    yield replace(plan, bound=0)
    yield replace(plan, brake=0)
    for place, sending in enumerate(plan.sendings):
        for steps in ((Step("ok"),), sending.steps[:1]):
            if sending.steps not in {steps, ()}:
                plainer = replace(sending, steps=steps)
                yield replace(plan, sendings=(*plan.sendings[:place], plainer, *plan.sendings[place + 1 :]))
