"""The client behind ctx.http: as many connections as calls, used again, given back when a call is cut off.

On aiohttp's connections where httpx-aiohttp is there, and on httpx's own.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from penstock.agents import http_pool
from penstock.agents.http_client import ByProxy, http_client
from penstock.testing import Behaviour, ModelServer, Rule, Script

ASKED = {"messages": [{"role": "user", "content": "hello"}]}
DROPS = Rule(match="drop", then=Behaviour(drop=True))
Scenario = Callable[[httpx.AsyncClient, str, ModelServer], Awaitable[Any]]


@pytest.fixture(params=["httpx", "aiohttp"])
def asking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What a scenario returns, given a client, the URL to post to and the server."""
    if request.param == "httpx":
        monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    elif importlib.util.find_spec("httpx_aiohttp") is None:
        pytest.skip("pip install 'penstock[aiohttp]'")

    def ask(scenario: Scenario, latency: float = 0.0) -> Any:
        async def main() -> Any:
            async with ModelServer(Script((DROPS,)), latency=latency) as server, http_client() as client:
                return await scenario(client, f"{server.base_url}/chat/completions", server)

        return asyncio.run(asyncio.wait_for(main(), 30))

    return ask


def idle(client: httpx.AsyncClient) -> int:
    """Connections that wait to be used."""
    (way,) = client._transport._ways.values()
    if isinstance(way, http_pool.ManyConnections):
        return sum(len(stack._idle) for stack in way._stacks.values())
    return sum(map(len, way.client.connector._conns.values()))


def test_calls_at_once_each_have_a_connection_and_the_next_use_them_again(asking):
    async def scenario(client, url, server):
        for _ in range(3):
            answers = await asyncio.gather(*(client.post(url, json=ASKED) for _ in range(200)))
            assert {one.status_code for one in answers} == {200}
        return server.peak, len(server._conversations), idle(client)

    assert asking(scenario, latency=0.3) == (200, 200, 200)


def test_a_call_that_is_cut_off_fails_and_the_next_goes_well(asking):
    async def scenario(client, url, _server):
        with pytest.raises(httpx.TransportError):
            await client.post(url, json={"messages": [{"role": "user", "content": "drop"}]})
        return (await client.post(url, json=ASKED)).status_code

    assert asking(scenario) == 200


def test_where_nobody_listens_no_connection_is_made(asking):
    async def scenario(client, _url, _server):
        with pytest.raises(httpx.TransportError):  # ConnectError of httpx; httpx-aiohttp says ConnectTimeout
            await client.post("http://127.0.0.1:9/v1", json=ASKED)

    asking(scenario)


def test_a_call_that_is_cancelled_is_one_no_longer(asking):
    async def scenario(client, url, server):
        call = asyncio.ensure_future(client.post(url, json=ASKED))
        while not server.in_flight:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        began = asyncio.get_running_loop().time()
        while server.in_flight:  # cancelling closed the connection itself: the model is asked no longer
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() < began + 1
        return server.statuses["left"], (await client.post(url, json=ASKED)).status_code

    assert asking(scenario, latency=2.0) == (1, 200)


def test_wherever_a_call_is_cancelled_the_next_goes_well(asking):
    async def scenario(client, url, _server):
        for turns in range(60):  # a call, its connection made anew, is over within them
            call = asyncio.ensure_future(client.post(url, json=ASKED, headers={"connection": "close"}))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            after = client.post(url, json=ASKED, headers={"connection": "close"})
            assert (await asyncio.wait_for(after, 5)).status_code == 200, f"cancelled after {turns} turns of the loop"

    asking(scenario)


def test_a_body_that_is_not_read_gives_its_connection_back_when_it_is_closed(asking):
    async def scenario(client, url, _server):
        async with client.stream("POST", url, json=ASKED) as answer:
            assert answer.status_code == 200
            await answer.aread()
        return idle(client)

    assert asking(scenario) == 1


def test_no_cookie_goes_from_one_run_to_another(asking):
    async def scenario(client, url, _server):
        assert isinstance(client, httpx.AsyncClient)
        told = httpx.Response(200, headers={"set-cookie": "session=acme"}, request=httpx.Request("GET", url))
        client.cookies.extract_cookies(told)
        with pytest.raises(TypeError, match="keeps no cookies"):
            client.cookies = {"session": "acme"}
        return dict(client.cookies), "cookie" in client.build_request("GET", url).headers

    assert asking(scenario) == ({}, False)


def test_connections_idle_for_long_are_closed(monkeypatch):
    monkeypatch.setattr(http_pool, "KEPT", 0.0)

    async def main() -> Any:
        way = http_pool.ManyConnections(httpx.create_ssl_context())
        async with ModelServer(latency=0.05) as server, httpx.AsyncClient(transport=way) as client:
            url = f"{server.base_url}/chat/completions"
            await asyncio.gather(*(client.post(url, json=ASKED) for _ in range(20)))
            for _ in range(40):
                await client.post(url, json=ASKED)
            (stack,) = way._stacks.values()
            other = await client.get(f"http://localhost:{server.port}/control")
            return len(stack.connections), len(way._stacks), other.status_code

    assert asyncio.run(main()) == (0, 1, 200)


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
    transport = ByProxy({"https": "proxy:3128", "all": "socks5://other:1080"})

    assert transport.proxy_for(httpx.URL(url)) == way
