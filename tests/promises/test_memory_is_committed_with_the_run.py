"""What a handler writes to ctx.memory is seen by its attempt at once, and by others only once the run has succeeded."""

from __future__ import annotations

import pytest

from penstock import Reject, Retry, Skip
from penstock.errors import HandlerError
from penstock.topology.model import Batch


@pytest.mark.parametrize("end", [ValueError("x"), Retry("again"), Reject("no"), Skip("not mine")])
def test_a_failed_attempt_leaves_nothing(work, end):
    found = []

    async def handler(event, ctx):
        memory = ctx.memory
        if event.data == "look":
            found.extend([await memory.get("n"), await memory.history(), await memory.notes()])
            return
        await memory.put("n", 1)
        await memory.append({"role": "user", "content": "hello"})
        await memory.remember("likes tea")
        raise end

    async def scenario(app):
        await app.send("src", "write", key="a")
        await app.settled()
        await app.send("src", "look", key="a")
        await app.settled()
        assert found == [None, [], []]

    work(handler, scenario, output=None, memory="main")


def test_what_is_written_is_seen_at_once_and_by_the_next_run(work):
    seen = []

    async def handler(event, ctx):
        memory = ctx.memory
        seen.append((await memory.get("n", 0), [turn["content"] for turn in await memory.history()]))
        await memory.put("n", await memory.get("n", 0) + 1)
        await memory.append({"role": "user", "content": event.data})
        note = await memory.remember(f"said {event.data}")
        assert await memory.get("n") == seen[-1][0] + 1
        assert (await memory.history(last=1)) == [{"role": "user", "content": event.data}]
        assert note in [one.id for one in await memory.search(f"said {event.data}")]
        if event.data == "last":
            await memory.delete("n")
        assert await memory.get("n", "gone") == ("gone" if event.data == "last" else seen[-1][0] + 1)

    async def scenario(app):
        for data in ("one", "two", "last", "after"):
            await app.send("src", data, key="a")
        await app.send("src", "another conversation", key="b")
        await app.settled()
        assert (1, ["one"]) in seen
        assert (2, ["one", "two"]) in seen
        assert (0, ["one", "two", "last"]) in seen
        assert seen.count((0, [])) == 2
        assert [report.outcome for report in app.attempts] == ["done"] * 5

    work(handler, scenario, output=None, memory="main")


def test_scopes_come_from_the_event(work):
    async def handler(event, ctx):
        memory = ctx.memory
        await memory.of_agent.append({"key": event.key})
        await memory.of_tenant.put(event.key or "none", event.tenant)
        return [str(memory.scope), len(await memory.at(conversation="a").history())]

    async def scenario(app):
        await app.send("src", 1, key="a", tenant="acme")
        await app.send("src", 2, key="a", tenant="other")
        await app.send("src", 3, correlation_id="chain-7")
        await app.settled()
        backend = app.memories["main"]
        scopes = {(one.tenant, one.agent, one.conversation) for one in await backend.scopes()}
        assert scopes == {("acme", "work", ""), ("acme", "", ""), ("other", "work", ""), ("other", "", "")} | {
            ("", "work", ""),
            ("", "", ""),
        }
        said = {event.data[0] for event in app.events("out")}
        assert "Scope(tenant='acme', agent='work', conversation='a')" in said
        assert "Scope(tenant='', agent='work', conversation='chain-7')" in said

    work(handler, scenario, memory="main")


def test_a_value_expires(work):
    async def handler(event, ctx):
        if event.data == "put":
            await ctx.memory.put("code", 123, ttl="10m")
        return await ctx.memory.get("code", "gone")

    async def scenario(app):
        import asyncio

        for data, wait in (("put", 500), ("look", 200), ("look", 1)):
            await app.send("src", data, key="a")
            await app.settled()
            await asyncio.sleep(wait)
        assert [event.data for event in app.events("out")] == [123, 123, "gone"]

    work(handler, scenario, memory="main")


def test_a_history_is_bounded_by_tokens_and_never_begins_with_half_a_tool_call(work):
    async def handler(event, ctx):
        memory = ctx.memory
        await memory.append({"role": "user", "content": "u" * 36})  # 9 tokens and 4 around each turn
        await memory.append({"role": "assistant", "content": "c" * 36}, {"role": "tool", "content": "t" * 36})
        await memory.append({"role": "assistant", "content": "a" * 36})
        bounds = [13, 25, 26, 39, 52, 1000]
        lengths = [len(await memory.history(tokens=tokens)) for tokens in bounds]
        assert [len(await memory.history(last=last)) for last in (0, 1, 2, 3, 9)] == [0, 1, 1, 3, 4]
        return lengths

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert [event.data for event in app.events("out")] == [[1, 1, 1, 3, 4, 4]]

    work(handler, scenario, memory="main")


def test_a_processor_without_memory_says_so(work):
    async def handler(event, ctx):
        with pytest.raises(HandlerError, match="has no memory"):
            ctx.memory  # noqa: B018

    async def scenario(app):
        await app.send("src", 1)
        await app.settled()
        assert [report.outcome for report in app.attempts] == ["done"]

    work(handler, scenario, output=None)


def test_each_event_of_a_batch_has_its_own_memory(work):
    async def handler(events, contexts):
        for event, ctx in zip(events, contexts, strict=True):
            await ctx.memory.append({"content": event.data})
        return [len(events)] * len(events)

    async def scenario(app):
        for index in range(6):
            await app.send("src", index, key=f"k{index % 3}")
        await app.settled()
        backend = app.memories["main"]
        turns = {one.conversation: len(await backend.turns(one)) for one in await backend.scopes()}
        assert turns == {"k0": 2, "k1": 2, "k2": 2}
        assert max(event.data for event in app.events("out")) > 1

    work(handler, scenario, memory="main", batch=Batch(max_records=10))


def test_a_plain_function_has_the_same_memory_and_waits_for_it(work):
    seen = []

    def handler(event, ctx):
        memory = ctx.memory
        with pytest.raises(KeyError):
            memory.retire("nothing", why="it is not there")
        with pytest.raises(AttributeError, match="no operation 'gets'"):
            memory.gets("n")
        seen.append((memory.get("n", 0), memory.of_agent.get("all", 0), len(memory.history())))
        memory.put("n", memory.get("n", 0) + 1)
        memory.of_agent.put("all", 1)
        memory.append({"role": "user", "content": event.data})
        if event.data == "bad":
            raise Reject("no")
        return memory.at(conversation=event.key).scope.conversation == memory.scope.conversation == event.key

    async def scenario(app):
        for data in ("one", "bad", "two"):
            await app.send("src", data, key="a")
            await app.settled()
        assert seen == [(0, 0, 0), (1, 1, 1), (1, 1, 1)], "what the failed attempt wrote is not there"
        assert [event.data for event in app.events("out")] == [True, True]

    work(handler, scenario, memory="main")
