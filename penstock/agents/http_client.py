"""The httpx client of a process, for thousands of calls at once: on aiohttp's connections, with `penstock[aiohttp]`.

httpx's own pool looks at every connection it has when a request begins, and again when one ends: a worker in which
2,000 agents wait for their model spends its time so (a request then cost 10 ms of CPU). aiohttp's, under httpx by the
package httpx-aiohttp, does not, and parses in C; without it there is `penstock.agents.http_pool`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import httpx

from penstock.agents.http_pool import KEPT, ManyConnections

_ENDLESS: Final = httpx.Limits(max_connections=0, keepalive_expiry=KEPT)  # to aiohttp 0 is no limit


def http_client() -> httpx.AsyncClient:
    """One client for all calls of a process, without a timeout of its own: the run has its deadline.

    For a framework's model too, where it takes a client: `ChatOpenAI(http_async_client=http_client())`. Proxies are
    those of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), read once. It keeps no cookies: a run
    would send what another run, of another tenant perhaps, was given.
    """
    return _Client(transport=ByProxy(getproxies()), timeout=None)


class _NoCookies(httpx.Cookies):
    """Nothing is kept, nor looked for in every answer (which took as long as sending the request)."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """See httpx."""


class _Client(httpx.AsyncClient):
    _none: Final = _NoCookies()

    @property
    def cookies(self) -> httpx.Cookies:
        """See httpx."""
        return self._none

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        raise TypeError("this client is shared by all runs and keeps no cookies: give them to the request")


class ByProxy(httpx.AsyncBaseTransport):
    """One transport for each way out; `proxies` by scheme, as `urllib.request.getproxies` tells them."""

    def __init__(self, proxies: Mapping[str, str]) -> None:
        self._ssl = httpx.create_ssl_context()  # one for all: making it takes 20 ms
        self._proxies = {scheme: url if "://" in url else f"http://{url}" for scheme, url in proxies.items()}
        self._ways: dict[str | None, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        proxy = self.proxy_for(request.url) if self._proxies else None
        way = self._ways.get(proxy)
        if way is None:
            way = self._ways[proxy] = self._way(proxy)
        return await way.handle_async_request(request)

    def _way(self, proxy: str | None) -> httpx.AsyncBaseTransport:
        try:
            from httpx_aiohttp import AiohttpTransport
        except ModuleNotFoundError:
            return ManyConnections(self._ssl, proxy)
        through = None if proxy is None else httpx.Proxy(proxy)
        if through is not None and through.url.scheme.startswith("socks"):
            return ManyConnections(self._ssl, proxy)  # aiohttp knows none of these
        made: httpx.AsyncBaseTransport = AiohttpTransport(verify=self._ssl, limits=_ENDLESS, proxy=through)
        return made

    def proxy_for(self, url: httpx.URL) -> str | None:
        """The proxy on the way to this address."""
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        return None if proxy is None or proxy_bypass(url.host) else proxy

    async def aclose(self) -> None:
        """See httpx."""
        for way in self._ways.values():
            await way.aclose()
