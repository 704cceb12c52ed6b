"""The scripted model server as a client sees it: answers, latency, every way to fail, counts, control."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from penstock.testing.model_script import Behaviour, Rule, Script, prompt_of
from penstock.testing.model_server import ModelServer


def chat(user: str, system: str = "be brief") -> dict[str, Any]:
    return {
        "model": "m",
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
    }


async def ask(
    client: httpx.AsyncClient, server: ModelServer, user: str, *, system: str = "", timeout: float = 10
) -> httpx.Response:
    return await client.post(f"{server.base_url}/chat/completions", json=chat(user, system), timeout=timeout)


def content(response: httpx.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


def talk(script: Any, *users: str, latency: float = 0.0) -> tuple[list[httpx.Response], ModelServer]:
    """The responses to one prompt after the other, and the stopped server."""

    async def run() -> tuple[list[httpx.Response], ModelServer]:
        async with ModelServer(script, latency=latency) as server, httpx.AsyncClient() as client:
            return [await ask(client, server, user) for user in users], server

    return asyncio.run(run())


def test_answers_in_the_shape_of_the_api_and_the_same_each_time() -> None:
    (first, again), server = talk(lambda system, user: user.upper(), "hello you", "hello you")
    assert first.status_code == 200
    assert content(first) == "HELLO YOU"
    assert first.content == again.content
    said = first.json()
    assert said["object"] == "chat.completion"
    assert said["model"] == "m"
    assert said["choices"][0]["message"]["role"] == "assistant"
    assert said["choices"][0]["finish_reason"] == "stop"
    assert said["usage"]["completion_tokens"] == 2
    assert server.requests == 2
    assert server.times_asked("hello") == 2
    assert server.in_flight == 0
    assert server.statuses == Counter({"200": 2})


def test_a_rule_decides_by_text_or_pattern_and_the_first_that_matches_wins() -> None:
    script = Script(
        rules=(
            Rule(match="Lost CARD", then=Behaviour(answer="freeze it")),
            Rule(match="card", then=Behaviour(answer="a card")),
            Rule(match=re.compile(r"\bpin\b"), then=Behaviour(answer="a pin")),
        ),
        answer="else",
    )
    responses, _ = talk(script, "my lost card", "card", "my pin", "spinning")
    assert [content(response) for response in responses] == ["freeze it", "a card", "a pin", "else"]


def test_a_rule_may_ask_for_a_system_message() -> None:
    async def run() -> list[str]:
        script = Script(rules=(Rule(system="triage", then=Behaviour(answer="sorted")),), answer="else")
        async with ModelServer(script) as server, httpx.AsyncClient() as client:
            return [content(await ask(client, server, "x", system=system)) for system in ("you triage", "you answer")]

    assert asyncio.run(run()) == ["sorted", "else"]


def test_times_counts_per_distinct_prompt_and_rules_make_a_sequence() -> None:
    script = Script(
        rules=(
            Rule(match="x", then=Behaviour(status=500), times=1),
            Rule(match="x", then=Behaviour(status=429, retry_after=3), times=2),
        ),
        answer="fine",
    )
    responses, server = talk(script, "x1", "x1", "x2", "x1", "x1", "x2", "y")
    assert [response.status_code for response in responses] == [500, 429, 500, 429, 200, 429, 200]
    assert responses[1].headers["retry-after"] == "3"
    assert responses[0].json()["error"]["type"] == "server_error"
    assert responses[1].json()["error"]["type"] == "rate_limit_error"
    assert server.statuses == Counter({"500": 2, "429": 3, "200": 2})


def test_a_share_of_the_prompts_always_the_same_ones() -> None:
    rule = Rule(share=0.1)
    prompts = [prompt_of(chat(f"ticket {number}")["messages"]) for number in range(2000)]
    fitting = [prompt.user for prompt in prompts if rule.fits(prompt)]
    assert 140 < len(fitting) < 260
    assert fitting == [prompt.user for prompt in prompts if rule.fits(prompt)]
    assert not any(Rule(share=0.0).fits(prompt) for prompt in prompts)


def test_a_malformed_body_breaks_off() -> None:
    (response,), server = talk(Script(rules=(Rule(then=Behaviour(malformed=True)),)), "x")
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()
    assert server.statuses == Counter({"malformed": 1})


def test_a_dropped_connection_is_a_network_error() -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        talk(Script(rules=(Rule(then=Behaviour(drop=True)),)), "x")


def test_a_hang_ends_when_the_client_leaves_and_counts() -> None:
    async def run() -> ModelServer:
        async with (
            ModelServer(Script(rules=(Rule(match="hang", then=Behaviour(hang=True)),), answer="fine")) as server,
            httpx.AsyncClient() as client,
        ):
            with pytest.raises(httpx.ReadTimeout):
                await ask(client, server, "hang", timeout=0.1)
            assert content(await ask(client, server, "go on")) == "fine"
            async with asyncio.timeout(5):
                while server.in_flight:
                    await asyncio.sleep(0.01)
            return server

    assert asyncio.run(run()).statuses == Counter({"hang": 1, "200": 1})


def test_closing_cuts_what_hangs() -> None:
    async def run() -> None:
        async with httpx.AsyncClient() as client:
            server = ModelServer(Script(rules=(Rule(then=Behaviour(hang=True)),)))
            await server.start()
            hanging = asyncio.create_task(ask(client, server, "x", timeout=30))
            async with asyncio.timeout(5):
                while not server.in_flight:
                    await asyncio.sleep(0.01)
                await server.close()
                with pytest.raises(httpx.TransportError):
                    await hanging

    asyncio.run(run())


@pytest.mark.slow
def test_a_thousand_slow_requests_at_once() -> None:
    async def one(server: ModelServer) -> bytes:
        body = json.dumps(chat("x")).encode()
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        return head

    async def run() -> tuple[float, ModelServer]:
        # Plain sockets: a pool of a thousand connections would make the client the slow part.
        async with ModelServer("fine", latency=1.0) as server:
            began = time.monotonic()
            heads = await asyncio.gather(*(one(server) for _ in range(1000)))
            assert all(head.startswith(b"HTTP/1.1 200 OK") for head in heads)
            return time.monotonic() - began, server

    took, server = asyncio.run(run())
    assert 1.0 <= took < 60  # one after the other it would be a thousand
    assert server.requests == 1000
    assert server.peak > 200


def test_latency_of_the_server_and_of_a_rule() -> None:
    script = Script(rules=(Rule(match="quick", then=Behaviour(latency=0)),))
    began = time.monotonic()
    talk(script, "quick", latency=60)
    assert time.monotonic() - began < 30
    began = time.monotonic()
    talk(script, "slow", latency=0.2)
    assert time.monotonic() - began >= 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/chat/completions", b"nonsense", 400),
        ("POST", "/v1/chat/completions", b"{}", 400),
        ("POST", "/v1/chat/completions", b'{"messages": 5}', 400),
        ("GET", "/v1/chat/completions", b"", 405),
        ("POST", "/v1/embeddings", b"{}", 400),
        ("PUT", "/control/rules", b'[{"matsch": "x"}]', 400),
        ("PUT", "/control/rules", b"nonsense", 400),
        ("PUT", "/control/rules", b"{}", 400),
        ("PATCH", "/control/rules", b"[]", 404),
    ],
)
def test_what_it_does_not_understand_it_says(method: str, path: str, body: bytes, status: int) -> None:
    async def run() -> tuple[httpx.Response, int]:
        async with ModelServer() as server, httpx.AsyncClient() as client:
            root = server.base_url.removesuffix("/v1")
            return await client.request(method, root + path, content=body), server.requests

    response, requests = asyncio.run(run())
    assert response.status_code == status
    assert response.json()["error"]["message"]
    assert requests == 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET / HTTP/1.0\r\n\r\n", b"404"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", b""),
    ],
)
def test_broken_and_old_http_is_answered_and_the_connection_closed(sent: bytes, status: bytes) -> None:
    async def run() -> bytes:
        async with ModelServer() as server, asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(sent)
            if not status:
                writer.write_eof()
            received = await reader.read()
            writer.close()
            await writer.wait_closed()
            return received

    received = asyncio.run(run())
    assert received[:9] + status == (b"HTTP/1.1 " + status if status else b"")


def test_a_running_server_takes_other_rules() -> None:
    async def run() -> None:
        async with ModelServer("fine") as server, httpx.AsyncClient() as client:
            control = server.base_url.removesuffix("/v1") + "/control"
            await client.put(f"{control}/rules", json=[{"match": "x", "status": 500}])
            assert (await ask(client, server, "x")).status_code == 500
            await client.post(f"{control}/rules", json=[{"pattern": "^x$", "status": 429, "retry_after": 1}])
            assert (await ask(client, server, "x")).status_code == 429
            assert (await ask(client, server, "xx")).status_code == 500
            state = (await client.get(control)).json()
            assert state["requests"] == 3
            assert state["rules"] == 2
            assert state["statuses"] == {"500": 2, "429": 1}
            await client.delete(f"{control}/rules")
            assert content(await ask(client, server, "x")) == "fine"

    asyncio.run(run())
