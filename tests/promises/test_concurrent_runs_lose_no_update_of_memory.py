"""Runs that change what another has read meanwhile: the later one runs again at once, and no attempt is spent."""

from __future__ import annotations

import asyncio

from penstock.errors import MemoryConflict
from penstock.memory.in_memory import InMemoryBackend
from penstock.topology.model import Backoff, Retry


def test_every_count_is_there_though_all_run_at_once(work):
    calls = []

    async def handler(event, ctx):
        calls.append(ctx.attempt)
        shared = ctx.memory.of_agent
        n = await shared.get("n", 0)
        await asyncio.sleep(1)
        await shared.put("n", n + 1)
        return {"n": n}

    async def scenario(app):
        for index in range(8):
            await app.send("src", index, key=f"k{index}")
        await app.settled()
        assert sorted(event.data["n"] for event in app.events("out")) == list(range(8))
        assert set(calls) == {1}
        assert len(calls) == 36  # 8 at once, one of them succeeds, 7 at once, ...
        assert {report.outcome for report in app.attempts} == {"done", "deferred"}
        assert app.dead_letters("work") == []

    work(handler, scenario, memory="main")


def test_a_handler_that_never_wins_fails_after_ten(work):
    calls = []

    class Contended(InMemoryBackend):
        async def apply(self, writes):
            raise MemoryConflict("somebody else was faster")

    async def handler(event, ctx):
        calls.append(ctx.attempt)

    async def scenario(app):
        await app.send("src", 1)
        await app.settled()
        assert calls == [1] * 11 + [2] * 11
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"exhausted"
        assert b"MemoryConflict" in letter.header("penstock-error-type")

    retry = Retry(max_attempts=2, backoff=Backoff(initial=5))
    work(handler, scenario, memory="main", main=Contended(), output=None, retry=retry)


def test_runs_that_only_read_do_not_run_again(work):
    calls = []

    async def handler(event, ctx):
        calls.append(event.data)
        shared = ctx.memory.of_agent
        if event.data == 0:  # changes what all others have read, and reads nothing itself
            await asyncio.sleep(0.5)
            await shared.put("n", 1)
            await shared.append({"content": "changed"})
            return
        await shared.get("n")
        await shared.history()
        await asyncio.sleep(1)
        await shared.put(f"{event.data}", 1)

    async def scenario(app):
        for index in range(8):
            await app.send("src", index, key=f"k{index}")
        await app.settled()
        assert len(calls) == 8

    work(handler, scenario, memory="main", output=None)
