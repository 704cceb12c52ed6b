"""httpx over as many connections as there are calls: none is looked at for the sake of another.

Each connection is a pool of one, and those that are idle wait on a stack, one for each host.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx

KEPT: Final = 10.0  # seconds; a connection idle for longer is closed when another comes back
_ONE: Final = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT)


class ManyConnections(httpx.AsyncBaseTransport):
    """As many connections as there are calls, all by `proxy` where one is given."""

    def __init__(self, verify: ssl.SSLContext, proxy: str | None = None) -> None:
        self._new = lambda: httpx.AsyncHTTPTransport(verify=verify, limits=_ONE, proxy=proxy)
        self._stacks: dict[tuple[str, str, int | None], _Stack] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        url = request.url
        host = (url.scheme, url.host, url.port)
        stack = self._stacks.get(host)
        if stack is None:
            await self._forget_the_idle()
            stack = self._stacks.setdefault(host, _Stack(self._new))
        return await stack.send(request)

    async def _forget_the_idle(self) -> None:
        """Hosts that nobody has called for a while: an app that calls where its events say would gather them."""
        for host, stack in list(self._stacks.items()):
            await stack.close_idle()
            if not stack.connections:
                self._stacks.pop(host, None)

    async def aclose(self) -> None:
        """See httpx."""
        for stack in self._stacks.values():
            await stack.close()


class _Stack:
    """The connections to one host. The one that came back last is used first, so that the others may go."""

    def __init__(self, new: Callable[[], httpx.AsyncHTTPTransport]) -> None:
        self._new = new
        self.connections: set[httpx.AsyncHTTPTransport] = set()
        self._idle: deque[tuple[float, httpx.AsyncHTTPTransport]] = deque()

    async def send(self, request: httpx.Request) -> httpx.Response:
        if self._idle:
            _, connection = self._idle.pop()
        else:
            connection = self._new()
            self.connections.add(connection)
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await self.drop(connection)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Body(response.stream, self, connection)
        return response

    async def drop(self, connection: httpx.AsyncHTTPTransport) -> None:
        """Close it. One that was cut off too: its pool may take it for busy, and let nobody have it any more."""
        self.connections.discard(connection)
        await connection.aclose()

    async def give_back(self, connection: httpx.AsyncHTTPTransport) -> None:
        self._idle.append((_now(), connection))
        await self.close_idle()

    async def close_idle(self) -> None:
        """Those that came back long ago."""
        while self._idle and self._idle[0][0] < _now() - KEPT:
            _, oldest = self._idle.popleft()
            await self.drop(oldest)

    async def close(self) -> None:
        for connection in list(self.connections):  # a call that is cut off just now closes its own
            await connection.aclose()


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Body(httpx.AsyncByteStream):
    """A response's body; its end gives the connection back."""

    def __init__(self, body: httpx.AsyncByteStream, stack: _Stack, connection: httpx.AsyncHTTPTransport) -> None:
        self._body = body
        self._stack = stack
        self._connection: httpx.AsyncHTTPTransport | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._body:
            yield part

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await self._body.aclose()
            except BaseException:
                await self._stack.drop(connection)
                raise
            await self._stack.give_back(connection)
