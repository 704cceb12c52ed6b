"""uvicorn, told by the runner when to stop: no signals of its own, no logging of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette

_BACKLOG: Final = 2048


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Replicas on one host may listen on the same port: the kernel shares connections out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
        listening.settimeout(0)
    except OSError:
        listening.close()
        raise
    return listening


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The runner has the signals."""
        yield


class Server:
    """Serves one app on one socket, until told to stop; then lets requests finish, `grace` seconds at most."""

    def __init__(self, app: Starlette, listening: socket.socket, grace: float) -> None:
        self._listening = listening
        self._server = _Quiet(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,  # nothing here asks where a request came from
                backlog=_BACKLOG,
                timeout_graceful_shutdown=max(1, int(grace)),
            )
        )

    async def run(self, stop: Awaitable[None], drain: Callable[[], None]) -> None:
        """Serve until `stop`; `drain` is called then. Raises what ends the server otherwise."""
        serving = asyncio.ensure_future(self._server.serve([self._listening]))
        stopping = asyncio.ensure_future(stop)
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            drain()
            self._server.should_exit = True
            await serving
        finally:
            stopping.cancel()
            if not serving.done():  # cancelled: at once
                self._server.force_exit = self._server.should_exit = True
                with contextlib.suppress(asyncio.CancelledError):
                    await serving
