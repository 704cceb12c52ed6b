"""The contract of all adapters: each framework is run for real, and the run ends the same way for each."""

from __future__ import annotations

import asyncio

import pytest
from stage import FRAMEWORK, HAS_TOOLS, TELLS_USAGE, on_stage, outcomes, recovers, until

from penstock.testing import Behaviour, Rule


async def send(app, text, key="c1", **attributes):
    await app.send("tickets.new", {"text": text}, key=key, **attributes)


def answers(app):
    return [str(event.data) for event in app.events("tickets.answered")]


def test_success_is_answered_and_told():
    async def scenario(app, server):
        await send(app, "hello there", tenant="bank-a")
        await app.settled("60s")
        assert outcomes(app) == ["done"]
        assert "you said: " in answers(app)[0]
        assert "hello there" in answers(app)[0]
        (report,) = app.attempts
        assert report.steps, "where the time went"
        if TELLS_USAGE:
            (used,) = report.usage
            assert used.calls == server.requests == 1
            assert used.tokens_out >= 4
            assert used.tokens_in > 0

    on_stage(scenario)


@pytest.mark.skipif(not HAS_TOOLS, reason=f"{FRAMEWORK} has no tools of its own")
def test_tools_are_called_and_told():
    async def scenario(app, server):
        await send(app, "where is my order?")
        await app.settled("60s")
        assert outcomes(app) == ["done"]
        assert server.requests == 2, "the call of the tool, and the answer"
        (report,) = app.attempts
        assert sum(one.tool_calls for one in report.usage) == 1
        assert sum(one.calls for one in report.usage) == 2
        names = [step.name for step in report.steps]
        assert names.count("model") == 2

    on_stage(scenario)


def test_a_conversation_goes_on():
    async def scenario(app, server):
        for text in ("first", "second", "third"):
            await send(app, text, key="same")
        await send(app, "other", key="another")
        await app.settled("60s")
        assert outcomes(app) == ["done"] * 4
        assert len(answers(app)) == 4

    on_stage(scenario)


FAILURES = {
    "429": (Behaviour(status=429, retry_after=1), "deferred"),
    "500": (Behaviour(status=500), "deferred"),
    "503": (Behaviour(status=503), "deferred"),
    "dropped": (Behaviour(drop=True), "deferred"),
    "401": (Behaviour(status=401, answer="invalid api key"), "deferred"),
    "quota": (Behaviour(status=429, answer="You exceeded your current quota (insufficient_quota)"), "deferred"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_provider_that_fails_costs_no_attempt(kind):
    behaviour, outcome = FAILURES[kind]

    async def scenario(app, server):
        await send(app, "hello")
        await until(lambda: outcomes(app), "the first failure", 60)
        assert server.requests == 1, "one call an attempt: the framework's own retries are off"
        recovers(server)
        await app.settled("60s")
        assert outcomes(app) == [outcome, "done"]
        assert [report.attempt for report in app.attempts] == [1, 1]
        if behaviour.retry_after:
            assert app.attempts[1].started - app.attempts[0].started >= 1.0
        if kind in {"401", "quota"}:
            assert sum(one.opened for one in app.workers[0].parts.flow.breakers) == 1

    on_stage(scenario, Rule(then=behaviour))


REFUSALS = {
    "too long": Behaviour(status=400, answer="This model's maximum context length is 8 tokens"),
    "refused": Behaviour(status=400, answer="content_filter: the prompt was filtered by the content policy"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_would_be_refused_again_is_a_dead_letter(kind):
    async def scenario(app, server):
        await send(app, "hello")
        await app.settled("60s")
        assert outcomes(app) == ["dead_lettered"]
        (letter,) = app.dead_letters("desk")
        assert letter.header("penstock-reason") == b"rejected"
        assert server.requests == 1

    on_stage(scenario, Rule(then=REFUSALS[kind]))


def test_an_event_that_always_fails_is_exhausted_once_others_are_answered():
    async def scenario(app, server):
        await send(app, "poison", key="p")
        await until(lambda: "deferred" in outcomes(app), "the first failure", 60)
        for n in range(40):
            await send(app, f"fine {n}", key=f"k{n}")
            await asyncio.sleep(0.1)
        await app.settled("60s")
        (letter,) = app.dead_letters("desk")
        assert letter.header("penstock-reason") == b"exhausted"
        assert outcomes(app).count("done") == 40

    on_stage(scenario, Rule(match="poison", then=Behaviour(status=500)))


def test_a_timeout_stops_the_call():
    async def scenario(app, server):
        await send(app, "hello")
        await until(lambda: outcomes(app), "the timeout", 60)
        assert app.attempts[0].failure.type == "TimeoutError"
        recovers(server)
        await app.settled("60s")
        assert outcomes(app)[-1] == "done"
        await until(lambda: server.in_flight == 0, "the hanging call to be let go")

    on_stage(scenario, Rule(then=Behaviour(hang=True)), timeout=6.0)


def test_a_stop_cancels_the_call():
    async def scenario(app, server):
        await send(app, "hello")
        await until(lambda: server.in_flight == 1, "the call", 60)
        await app.stop(app.workers.pop())
        await until(lambda: server.in_flight == 0, "the call to be let go")
        assert "done" not in outcomes(app)

    on_stage(scenario, Rule(then=Behaviour(hang=True)), stop_grace_period=0.2)


def test_fifty_conversations_at_once():
    async def scenario(app, server):
        for n in range(50):
            await send(app, f"this is number{n}.", key=f"k{n}")
        await app.settled("60s")
        assert outcomes(app) == ["done"] * 50
        said = answers(app)
        assert all(sum(f"number{n}." in one for one in said) == 1 for n in range(50)), "each its own answer"
        assert server.peak >= 10

    on_stage(scenario, latency=5.0)  # ten are under way within it on a loaded machine too


def test_a_crash_is_followed_by_redelivery():
    async def scenario(app, server):
        for n in range(20):
            await send(app, f"this is number{n}.", key=f"k{n}")
        await until(lambda: server.in_flight > 5, "runs in flight", 60)
        app.crash(app.workers[0])
        recovers(server)
        await app.start("desk")
        await app.settled("60s")
        said = answers(app)
        assert all(any(f"number{n}." in one for one in said) for n in range(20)), "none is lost"

    on_stage(scenario, Rule(then=Behaviour(hang=True)), failover=6.0)
