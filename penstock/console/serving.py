"""Serves the console until it is told to stop; the broker is the topology's Kafka."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from penstock.broker.contract import Broker
from penstock.clock import SystemClock
from penstock.console.access import Access, is_loopback, remembered_token
from penstock.errors import PenstockError
from penstock.service.supervisor import supervisor_gone
from penstock.topology.model import Topology

if TYPE_CHECKING:
    import uvicorn

PORT: Final = 8900  # or, where that is taken and none was asked for, any free one


def serve(
    topology: Topology,
    connect: Callable[[], Broker],
    *,
    path: str,
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve on `host`:`port` until SIGINT or SIGTERM. Raises PenstockError: no extra, port taken.

    Without a `token` the app's own is used, made once and kept in its folder; the address that may act carries it.
    """
    try:
        import uvicorn

        from penstock.console.app import create
        from penstock.console.desk import Desk
    except ImportError as error:
        raise PenstockError(f"the console needs {error.name}", "pip install 'penstock[console]'") from error
    access = Access(token or remembered_token(topology.directory), open_to_look=is_loopback(host))
    shown = f"[{host}]" if ":" in host else host
    bound = _bound(host, port)
    address = f"http://{shown}:{bound.getsockname()[1]}/"

    @asynccontextmanager
    async def connected() -> AsyncIterator[Desk]:
        broker = connect()
        try:
            yield Desk(topology, broker, SystemClock(), access, path=path)
        finally:
            await broker.close()

    async def run() -> None:
        async with connected() as desk:
            config = uvicorn.Config(create(desk), log_level="warning", lifespan="off", timeout_graceful_shutdown=2)
            say(f"console: {address}" if access.open_to_look else f"console: {address} (looking needs the token too)")
            if token is None:
                say(f"  to act, open {address}?token={access.token}")
            server = uvicorn.Server(config)
            watching = asyncio.ensure_future(_end_with_supervisor(server))
            await server.serve(sockets=[bound])
            watching.cancel()

    asyncio.run(run())


async def _end_with_supervisor(server: uvicorn.Server) -> None:
    """`penstock up` was killed: nobody else would end its console."""
    while not supervisor_gone():
        await asyncio.sleep(0.5)
    server.should_exit = True


def _bound(host: str, port: int | None) -> socket.socket:
    if port is None:
        try:
            return _bound(host, PORT)
        except PenstockError:
            return _bound(host, 0)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise PenstockError(
            f"the console cannot listen at {host}:{port}: {error.strerror}", "--port N picks another, --port 0 any"
        ) from error
    return found
