"""The handler of a plan: each call does what the event's next step says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from penstock import Defer, Reject, Retry, Skip
from penstock.broker.in_memory import InMemoryBroker
from penstock.testing.virtual_time import VirtualClock
from tests.simulation.checker import Checker
from tests.simulation.doors import look_inside
from tests.simulation.faults import Weather
from tests.simulation.ledger import Ledger, Life
from tests.simulation.world import Plan, Step


class Actor:
    """The part of the world that plays the handler."""

    plan: Plan
    clock: VirtualClock
    ledger: Ledger
    checker: Checker
    weather: Weather
    broker: InMemoryBroker
    wanted: int
    kill: Callable[[Life], None]

    async def _handle(self, life: Life, event: Any, ctx: Any) -> Any:
        call = self.checker.started(life, event.position, event.id, ctx.attempt)
        look_inside(life, self.checker)
        step = call.step
        try:
            await self._work(life, step, call)
        except asyncio.CancelledError:
            call.cancelled = True
            if step.kind != "stubborn":
                self.checker.ended(life, call, "cancelled")
                raise
            await self._shrug()
        story = call.occurrence.event
        for index in range(1, step.emits):
            ctx.emit("side", {"n": story.number, "call": call.number, "i": index})
        kind = "ok" if step.kind == "stubborn" else step.kind
        self.checker.ended(life, call, kind)
        if kind == "ok":
            return {"n": story.number, "call": call.number, "i": 0} if step.emits else None
        return self._verdict(step, call.number)

    @staticmethod
    def _verdict(step: Step, number: int) -> Any:
        said: Any = {
            "fail": RuntimeError("it failed"),
            "reject": Reject("never"),
            "skip": Skip("not mine"),
            "defer": Defer(after=step.after),
            "retry": Retry(after=step.after),
        }[step.kind]
        if step.kind == "fail" or number % 2:
            raise said
        return said

    async def _work(self, life: Life, step: Step, call: Any) -> None:
        if step.kind in {"hang", "stubborn"}:
            await asyncio.sleep(1e6)
        await asyncio.sleep(step.seconds)
        if step.kind == "kill":
            self.ledger.note(self.clock.monotonic(), "kills", life.name)
            self.checker.killed(call)
            self.kill(life)
            await asyncio.sleep(1e6)

    @staticmethod
    async def _shrug() -> None:
        """Go on for a second, whatever anyone says."""
        loop = asyncio.get_running_loop()
        end = loop.time() + 1.0
        while loop.time() < end:
            try:
                await asyncio.sleep(end - loop.time())
            except asyncio.CancelledError:
                continue
