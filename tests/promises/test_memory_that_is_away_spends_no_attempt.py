"""While the memory is away runs are put off, spending nothing, and nobody is answered without it."""

from __future__ import annotations

import asyncio

import pytest

from penstock.errors import MemoryUnavailable
from penstock.memory.in_memory import InMemoryBackend


class Away(InMemoryBackend):
    """Gone while `gone`, in the operations named."""

    def __init__(self, *operations):
        super().__init__()
        self.gone = True
        for name in operations:
            setattr(self, name, self._unless_gone(getattr(self, name)))

    def _unless_gone(self, operation):
        async def asked(*arguments, **named):
            if self.gone:
                raise MemoryUnavailable("no answer")
            return await operation(*arguments, **named)

        return asked


@pytest.mark.parametrize("operations", [("fence",), ("value",), ("apply",), ("fence", "value", "apply")])
@pytest.mark.parametrize("manners", ["lets it pass", "makes chat text of it", "makes an error of it"])
def test_nothing_is_spent_and_nothing_said(work, operations, manners):
    backend = Away(*operations)

    async def handler(event, ctx):
        try:
            n = await ctx.memory.get("n", 0)
        except Exception as error:
            if manners == "makes chat text of it":  # as agent frameworks do
                return {"answer": "I am afraid something went wrong"}
            if manners == "makes an error of it":
                raise RuntimeError("the agent failed") from error
            raise
        await ctx.memory.put("n", n + 1)
        return {"n": n}

    async def scenario(app):
        for _ in range(3):
            await app.send("src", 1, key="a")
        await asyncio.sleep(1800)
        assert app.records("out") == []
        assert {(report.outcome, report.attempt) for report in app.attempts} == {("deferred", 1)}
        assert max(report.deferrals for report in app.attempts) > 100
        backend.gone = False
        await app.settled()
        assert [event.data["n"] for event in app.events("out")] == [0, 1, 2]
        assert app.dead_letters("work") == []

    work(handler, scenario, memory="main", main=backend)
