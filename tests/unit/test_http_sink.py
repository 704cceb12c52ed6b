"""The HTTP sink in a running topology: what is sent, and what each answer leads to."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook

from penstock.connectors.http_sink import HttpSink
from penstock.testing.virtual_time import START
from penstock.topology.reader import read_text

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOPOLOGY = """
version: 1
name: desk
topics:
  tickets.answered: {{ partitions: 1, type: ticket.answered }}
connectors:
  crm:
    type: http_sink
    topics: [tickets.answered]
    retry: {{ max_attempts: 3, backoff: {{ initial: 1s, multiplier: 1 }} }}
    url: {url}
{more}
"""


class Receiver:
    """Answers from a list, the last answer for ever, and keeps what it was sent."""

    def __init__(self, *answers):
        self.answers = list(answers) or [200]
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return httpx.Response(status, headers=headers, text="said so")


@pytest.fixture
def deliver(topology_run, tmp_path):
    def run(receiver, data, *, url="https://crm.example/in", more="", within="48h", **attributes):
        text = TOPOLOGY.format(url=url, more="\n".join(f"    {line}" for line in more.splitlines()))
        environ = {"SECRET": SECRET, "TOKEN": "hunter2"}
        topology = read_text(text, tmp_path / "topology.yaml", environ)
        client = httpx.AsyncClient(transport=httpx.MockTransport(receiver))

        async def scenario(app):
            await app.send("tickets.answered", data, **attributes)
            await app.settled(within)
            return app.attempts, app.dead_letters("crm")

        sink = HttpSink(topology.connectors["crm"], client, lambda: START + asyncio.get_running_loop().time())
        return topology_run(topology, scenario, handlers={"crm": sink})

    return run


def test_an_event_is_one_signed_request(deliver):
    receiver = Receiver()
    attempts, letters = deliver(
        receiver,
        {"id": "T/1", "text": "Grüße"},
        url='"https://crm.example/tickets/{data.id}?c={key}"',
        more="""signing_secret: ${SECRET}
headers: { X-Id: "{id}" }
secret_headers: { Authorization: "Bearer ${TOKEN}" }""",
        key="c 1",
        id="e-1",
        subject="Grüße",
    )

    (request,) = receiver.requests
    assert str(request.url) == "https://crm.example/tickets/T%2F1?c=c%201"
    assert json.loads(request.content) == {"id": "T/1", "text": "Grüße"}
    assert (request.headers["ce-id"], request.headers["ce-type"]) == ("e-1", "ticket.answered")
    assert (request.headers["x-id"], request.headers["authorization"]) == ("e-1", "Bearer hunter2")
    assert request.headers["ce-subject"] == "Gr%C3%BC%C3%9Fe"
    assert request.headers["webhook-id"] == request.headers["idempotency-key"] == attempts[0].run_id
    at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
    assert request.headers["webhook-signature"] == Webhook(SECRET).sign(
        request.headers["webhook-id"], at, request.content.decode()
    )
    assert letters == []


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("data.inner", {"a": 1}),
        ('\'{"t": "{data.text}", "o": {"k": "{key}"}}\'', {"t": 'say "hi"\n', "o": {"k": "k"}}),
    ],
)
def test_the_body_is_a_path_or_a_template(deliver, body, sent):
    receiver = Receiver()
    deliver(receiver, {"inner": {"a": 1}, "text": 'say "hi"\n'}, more=f"body: {body}", key="k")

    assert json.loads(receiver.requests[0].content) == sent


def test_the_id_is_the_same_at_every_attempt_and_the_time_is_not(deliver):
    receiver = Receiver(500, httpx.ConnectError("away"), 204)
    attempts, letters = deliver(receiver, {})

    assert [attempt.outcome for attempt in attempts] == ["retried", "retried", "done"]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in receiver.requests}) == 3
    assert letters == []


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("after", "least", "most"),
    [("120", 120, 180), ("", 30, 60), ("Tue, 14 Nov 2023 22:15:20 GMT", 120, 180), ("soon", 30, 60), ("0", 1, 2)],
)
def test_a_busy_receiver_is_left_alone_as_long_as_it_says(deliver, status, after, least, most):
    receiver = Receiver(*[(status, {"retry-after": after} if after else {})] * 5, 200)
    attempts, letters = deliver(receiver, {})

    assert [attempt.outcome for attempt in attempts] == ["deferred"] * 5 + ["done"], "no attempt is spent"
    times = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert least <= times[1] - times[0] <= most
    assert START == 1_700_000_000  # the date above is two minutes later
    assert letters == []


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422, 301, 307])
def test_a_refusal_is_a_dead_letter_at_once(deliver, status):
    receiver = Receiver((status, {"location": "https://crm.example/other?token=hunter2"}))
    attempts, (letter,) = deliver(receiver, {}, url='"https://crm.example/in?token=hunter2"')

    assert [attempt.outcome for attempt in attempts] == ["dead_lettered"]
    assert len(receiver.requests) == 1
    assert letter.header("penstock-reason") == b"rejected"
    message = letter.header("penstock-error-message").decode()
    assert message == f"https://crm.example answered {status}: said so"


@pytest.mark.parametrize("answer", [500, 502, 408, 425, httpx.ReadTimeout("slow"), httpx.ReadError("gone")])
def test_a_passing_failure_is_tried_again_until_it_is_enough(deliver, answer):
    receiver = Receiver(answer)
    attempts, (letter,) = deliver(receiver, {})

    assert [attempt.outcome for attempt in attempts] == ["retried", "retried", "dead_lettered"]
    assert letter.header("penstock-reason") == b"exhausted"


@pytest.mark.parametrize(
    ("there", "requests"),
    [("/other", 2), ("https://crm.example/other", 2), ("https://evil.example/", 1), ("http://crm.example/", 1)],
)
def test_redirects_are_followed_only_within_the_host_and_when_allowed(deliver, there, requests):
    receiver = Receiver((308, {"location": there}), 200)
    _attempts, letters = deliver(receiver, {"a": 1}, more="follow_redirects: true")

    assert len(receiver.requests) == requests
    assert len(letters) == 2 - requests
    assert {request.method for request in receiver.requests} == {"POST"}
    assert {request.content for request in receiver.requests} == {b'{"a":1}'}
    assert {request.url.host for request in receiver.requests} == {"crm.example"}


def test_redirects_in_a_circle_end(deliver):
    receiver = Receiver((307, {"location": "/in"}))
    attempts, _ = deliver(receiver, {}, more="follow_redirects: true")

    assert len(receiver.requests) == 3 * len(attempts)


@pytest.mark.parametrize("url", ["ftp://crm.example/", "crm.example", "https://", "http://[::1", "", None])
def test_a_url_from_an_event_that_is_none_is_a_dead_letter(deliver, url):
    receiver = Receiver()
    _attempts, (letter,) = deliver(receiver, {"hook": url}, url="data.hook")

    assert receiver.requests == []
    assert letter.header("penstock-reason") == b"rejected"


def test_the_url_may_come_from_the_event(deliver):
    receiver = Receiver()
    deliver(receiver, {"hook": "https://shop.example/a?b=c"}, url="data.hook")

    assert str(receiver.requests[0].url) == "https://shop.example/a?b=c"
