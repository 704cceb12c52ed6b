"""The desk's agents at the public seam: an Event and a Context in, a value, a signal or an exception out."""

from __future__ import annotations

import asyncio
import email.utils
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from penstock import Defer, Event, Reject, Skip
from penstock.event import Origin
from penstock.record import Record
from penstock.testing.model_script import Behaviour, Rule, Script
from penstock.testing.model_server import ModelServer
from processors import answer, escalate, model, scripted_model, triage
from processors.tickets import Ticket, Triaged


class Desk:
    """A context that keeps what is emitted."""

    run_id = "run"
    attempt = 1
    log = logging.LoggerAdapter(logging.getLogger("test"))

    def __init__(self, http: httpx.AsyncClient, settings: dict[str, Any] | None = None) -> None:
        self.http = http
        self.settings = settings or {}
        self.deadline = time.time() + 60
        self.emitted: list[tuple[str, Any]] = []

    def emit(self, topic: str, data: Any, **_: Any) -> None:
        self.emitted.append((topic, data))

    async def progress(self, data: Any) -> None:
        raise NotImplementedError


def event(data: Any) -> Event[Any]:
    return Event(Record("t", 0, 0, 0, b"c-1", b""), data, "", Origin("t", 0, 0, 0))


def new(text: str) -> Event[Ticket]:
    return event({"ticket_id": "t-1", "customer_id": "c-1", "text": text, "channel": "app", "language": None})


def triaged(text: str = "how do I change my PIN", **changes: Any) -> Event[Triaged]:
    return event(
        {
            "ticket_id": "t-1",
            "customer_id": "c-1",
            "text": text,
            "area": "card",
            "urgency": "normal",
            "confidence": 0.9,
            "needs_people": False,
            "triaged_by": "rules",
            **changes,
        }
    )


def at_desk(work: Callable[[Any], Any], script: Any = None, **settings: Any) -> tuple[Any, Desk]:
    """What `work(ctx)` comes to; with a script, a model server of that script is set as the model."""

    async def run() -> tuple[Any, Desk]:
        async with httpx.AsyncClient() as http:
            ctx = Desk(http, settings)
            if script is None:
                return await work(ctx), ctx
            async with ModelServer(script) as server:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("OPENAI_BASE_URL", server.base_url)
                    patch.setenv("OPENAI_MODEL", "scripted")
                    return await work(ctx), ctx

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"):
        monkeypatch.delenv(variable, raising=False)


# -- triage


def test_triage_by_rules_where_no_model_is_set() -> None:
    said, _ = at_desk(lambda ctx: triage.triage(new("how do I change my PIN"), ctx))
    assert said == {
        "ticket_id": "t-1",
        "customer_id": "c-1",
        "text": "how do I change my PIN",
        "area": "card",
        "urgency": "normal",
        "confidence": 1.0,
        "needs_people": False,
        "triaged_by": "rules",
    }


def test_triage_by_the_model() -> None:
    verdict = 'Sure: {"area": "cash", "urgency": "low", "confidence": 0.75} Anything else?'
    said, _ = at_desk(lambda ctx: triage.triage(new("how do I change my PIN"), ctx), verdict)
    assert (said["area"], said["urgency"], said["confidence"]) == ("cash", "low", 0.75)
    assert said["triaged_by"] == "scripted"


@pytest.mark.parametrize(
    ("urgency", "confidence", "needs_people"),
    [("normal", 0.7, False), ("normal", 0.69, True), ("high", 1.0, True), ("low", 1, False)],
)
def test_urgent_and_unsure_tickets_need_people(urgency: str, confidence: float, needs_people: bool) -> None:
    verdict = json.dumps({"area": "card", "urgency": urgency, "confidence": confidence})
    said, _ = at_desk(lambda ctx: triage.triage(new("x"), ctx), verdict, confident_from=0.7)
    assert said["needs_people"] is needs_people


@pytest.mark.parametrize(
    "said",
    [
        "I cannot say",
        "} {",
        '{"area": "card"',
        '{"area": "kitchen", "urgency": "low", "confidence": 1}',
        '{"area": "card", "urgency": "soon", "confidence": 1}',
        '{"area": "card", "urgency": "low", "confidence": 1.5}',
        '{"area": "card", "urgency": "low", "confidence": "high"}',
        '{"area": "card", "urgency": "low", "confidence": NaN}',
        '{"area": ["card"], "urgency": {}, "confidence": 1}',
    ],
)
def test_a_verdict_that_is_none_fails_the_attempt(said: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own and ours
        at_desk(lambda ctx: triage.triage(new("x"), ctx), said)


# -- the model's ways to fail


def failing(**behaviour: Any) -> Script:
    return Script(rules=(Rule(then=Behaviour(**behaviour)),))


def asked(script: Any) -> Any:
    return at_desk(lambda ctx: model.ask(ctx, "system", "user"), script)[0]


@pytest.mark.parametrize(("said", "after"), [(7, 7.0), ("0", 1.0), (None, model.PATIENCE), ("soon", model.PATIENCE)])
def test_429_defers_by_retry_after(said: Any, after: float) -> None:
    with pytest.raises(Defer) as caught:
        asked(failing(status=429, retry_after=said))
    assert caught.value.after == after


def test_retry_after_may_be_a_date() -> None:
    with pytest.raises(Defer) as caught:
        asked(failing(status=429, retry_after=email.utils.formatdate(time.time() + 100, usegmt=True)))
    assert 90 < caught.value.after <= 100


@pytest.mark.parametrize("status", [500, 503, 401, 404])
def test_other_failures_of_the_server_are_failed_attempts(status: int) -> None:
    with pytest.raises(model.ModelFailed, match=str(status)):
        asked(failing(status=status))


def test_a_network_error_is_a_failed_attempt() -> None:
    with pytest.raises(httpx.TransportError):
        asked(failing(drop=True))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_ticket_is_rejected(status: int) -> None:
    with pytest.raises(Reject, match=str(status)):
        asked(failing(status=status, answer="this text is not allowed"))


def test_a_body_that_breaks_off_or_says_nothing_fails_the_attempt() -> None:
    with pytest.raises(ValueError, match="no chat completion"):
        asked(failing(malformed=True))
    with pytest.raises(ValueError, match="empty"):
        asked("  ")


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "content_filter", "message": {"content": ""}},
        {"finish_reason": "stop", "message": {"content": None, "refusal": "I will not"}},
    ],
)
def test_a_refusal_inside_an_answer_is_a_rejection(choice: Any) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"choices": [choice]}))

    async def run() -> None:
        async with httpx.AsyncClient(transport=transport) as http:
            await model.ask(Desk(http), "system", "user")

    with pytest.raises(Reject):
        asyncio.run(run())


def test_key_model_and_address_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"choices": [{"message": {"content": "fine"}}]})

    async def run() -> str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(reply)) as http:
            return await model.ask(Desk(http), "system", "user")

    assert not model.configured()
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert model.configured()
    assert asyncio.run(run()) == "fine"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1/")
    monkeypatch.setenv("OPENAI_MODEL", "m")
    asyncio.run(run())
    assert str(sent[0].url) == "https://api.openai.com/v1/chat/completions"
    assert sent[0].headers["authorization"] == "Bearer secret"
    assert str(sent[1].url) == "http://127.0.0.1:1/v1/chat/completions"
    body = json.loads(sent[1].content)
    assert body["model"] == "m"
    assert [message["content"] for message in body["messages"]] == ["system", "user"]


# -- answer and escalate


def test_answer_without_a_model_is_the_article() -> None:
    said, ctx = at_desk(lambda ctx: answer.answer(triaged(), ctx))
    assert said["article"] == "Your PIN"
    assert "three wrong tries" in said["reply"]
    assert ctx.emitted == []


def test_answer_by_the_model_is_given_the_ticket_and_the_article() -> None:
    said, _ = at_desk(lambda ctx: answer.answer(triaged(), ctx), lambda system, user: f"{system}|{user}")
    assert said["reply"].startswith(answer.INSTRUCTIONS)
    assert "how do I change my PIN\n\nArticle: Your PIN\n" in said["reply"]


@pytest.mark.parametrize(("text", "script"), [("xyz", None), ("how do I change my PIN", answer.NO_ANSWER)])
def test_what_no_article_answers_goes_to_people(text: str, script: Any) -> None:
    said, ctx = at_desk(lambda ctx: answer.answer(triaged(text), ctx), script)
    assert said is None
    ((topic, handed),) = ctx.emitted
    assert topic == "tickets.escalated"
    assert (handed["ticket_id"], handed["reason"]) == ("t-1", "no article answers it")


def test_each_triaged_ticket_is_taken_by_one_of_the_two() -> None:
    for needs_people in (True, False):
        ticket = triaged(needs_people=needs_people)
        answered, ctx = at_desk(lambda ctx, ticket=ticket: answer.answer(ticket, ctx))
        escalated = escalate.escalate(ticket)
        assert isinstance(answered, Skip) is needs_people
        assert isinstance(escalated, Skip) is not needs_people
        assert ctx.emitted == []


@pytest.mark.parametrize(("urgency", "reason"), [("high", "urgent"), ("normal", "triage was not sure")])
def test_escalate_says_why(urgency: str, reason: str) -> None:
    assert escalate.escalate(triaged(needs_people=True, urgency=urgency)) == {
        "ticket_id": "t-1",
        "customer_id": "c-1",
        "text": "how do I change my PIN",
        "area": "card",
        "urgency": urgency,
        "reason": reason,
    }


# -- the scripted model of the desk


def test_the_scripted_model_triages_as_the_rules_do_and_quotes_the_article() -> None:
    text = "how do I change my PIN"
    by_model, _ = at_desk(lambda ctx: triage.triage(new(text), ctx), scripted_model.answer)
    by_rules, _ = at_desk(lambda ctx: triage.triage(new(text), ctx))
    assert by_model | {"triaged_by": "rules"} == by_rules
    reply, _ = at_desk(lambda ctx: answer.answer(triaged(text), ctx), scripted_model.answer)
    assert "“Your PIN”" in reply["reply"]
    assert "three wrong tries" in reply["reply"]
