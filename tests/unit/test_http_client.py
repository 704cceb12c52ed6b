"""The client behind ctx.http: as many connections as calls, used again, given back when a call is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from penstock.agents import http_client as module
from penstock.agents.http_client import ManyConnections, http_client
from penstock.testing import Behaviour, ModelServer, Rule, Script

ASKED = {"messages": [{"role": "user", "content": "hello"}]}
DROPS = Rule(match="drop", then=Behaviour(drop=True))


def asking(scenario: Callable[[httpx.AsyncClient, str, ModelServer], Awaitable[Any]], latency: float = 0.0) -> Any:
    """What the scenario returns, given a client, the URL to post to and the server."""

    async def main() -> Any:
        async with ModelServer(Script((DROPS,)), latency=latency) as server, http_client() as client:
            return await scenario(client, f"{server.base_url}/chat/completions", server)

    return asyncio.run(asyncio.wait_for(main(), 30))


def idle(client: httpx.AsyncClient) -> int:
    """Connections that wait to be used."""
    return sum(len(stack._idle) for stack in client._transport._stacks.values())


def test_calls_at_once_each_have_a_connection_and_the_next_use_them_again():
    async def scenario(client, url, server):
        for _ in range(3):
            answers = await asyncio.gather(*(client.post(url, json=ASKED) for _ in range(200)))
            assert {one.status_code for one in answers} == {200}
        return server.peak, len(server._conversations), idle(client)

    assert asking(scenario, latency=0.3) == (200, 200, 200)


def test_a_call_that_fails_or_is_cancelled_gives_its_connection_back():
    async def scenario(client, url, server):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(url, json={"messages": [{"role": "user", "content": "drop"}]})
        call = asyncio.ensure_future(client.post(url, json=ASKED))
        while not server.in_flight:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.in_flight:  # cancelling closed the connection itself: the model is asked no longer
            await asyncio.sleep(0.01)
        return idle(client), (await client.post(url, json=ASKED)).status_code

    assert asking(scenario, latency=0.5) == (1, 200)


def test_a_body_that_is_not_read_gives_its_connection_back_when_it_is_closed():
    async def scenario(client, url, _server):
        async with client.stream("POST", url, json=ASKED) as answer:
            assert (answer.status_code, idle(client)) == (200, 0)
        return idle(client)

    assert asking(scenario) == 1


def test_connections_idle_for_long_are_closed(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 0.0)

    async def scenario(client, url, _server):
        await asyncio.gather(*(client.post(url, json=ASKED) for _ in range(20)))
        for _ in range(40):
            await client.post(url, json=ASKED)
        (stack,) = client._transport._stacks.values()
        other = await client.get(url.replace("127.0.0.1", "localhost").replace("/v1/chat/completions", "/control"))
        return len(stack.connections), len(client._transport._stacks), other.status_code

    assert asking(scenario, latency=0.05) == (0, 1, 200)


@pytest.mark.parametrize(
    ("url", "way"),
    [
        ("https://api.example.com/v1", "http://proxy:3128"),
        ("http://api.example.com/v1", "socks5://other:1080"),
        ("https://inner.example.com/v1", None),
    ],
)
def test_proxies_are_those_of_the_environment(monkeypatch, url, way):
    monkeypatch.setenv("no_proxy", "inner.example.com")
    transport = ManyConnections({"https": "proxy:3128", "all": "socks5://other:1080"})

    assert transport.proxy_for(httpx.URL(url)) == way
