"""Connects to public addresses only: a URL may come from an event, and must not reach what only we can reach.

The name is looked up here, each address is judged, and the connection is made to that very address. So it does not
help that a name resolves to something else a moment later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

import httpcore
import httpx

from penstock.errors import PenstockError

if TYPE_CHECKING:
    from httpcore import AsyncNetworkStream

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_CONNECT_WITHIN: Final = 10.0


class PrivateAddress(PenstockError):
    """A host has no address that everybody can reach."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet; an IPv4 address inside an IPv6 one is judged itself."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inside is None and found in _NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(str(inside))
    return found.is_global and not found.is_multicast


class Addresses(httpcore.AsyncNetworkBackend):
    """The network, for httpcore. `private_hosts` may have any address."""

    def __init__(self, private_hosts: Collection[str], inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._private_hosts = {host.lower() for host in private_hosts}
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first of the host's addresses that may be connected to, and answers."""
        failure: Exception | None = None
        for address in self._allowed(host, await _resolve(host, port)):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> AsyncNetworkStream:
        """Never."""
        raise PrivateAddress(f"the socket {path} is nothing that others can reach")

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    def _allowed(self, host: str, addresses: list[str]) -> list[str]:
        if host.lower() in self._private_hosts:
            return addresses
        public = [address for address in addresses if is_public(address)]
        if addresses and not public:
            hint = "where that is meant, name the host under private_hosts"
            raise PrivateAddress(f"{host} is at a private address", hint)
        return public


def client(private_hosts: Collection[str], network: httpcore.AsyncNetworkBackend | None = None) -> httpx.AsyncClient:
    """An httpx client that connects through Addresses. No proxy of the environment is asked: it would look up names."""
    transport = httpx.AsyncHTTPTransport(trust_env=False)
    pool = getattr(transport, "_pool", None)
    if not isinstance(pool, httpcore.AsyncConnectionPool):  # never without the check
        raise PenstockError(f"http_sink does not know httpx {httpx.__version__}", "install another release of httpx")
    guarded = httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context(),
        max_connections=1000,
        max_keepalive_connections=20,
        keepalive_expiry=5.0,
        network_backend=Addresses(private_hosts, network),
    )
    transport._pool = guarded  # noqa: SLF001 - httpx takes no network backend itself
    timeout = httpx.Timeout(None, connect=_CONNECT_WITHIN)  # the run has its deadline
    return httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False, follow_redirects=False)


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"{host} cannot be looked up: {error}") from error
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
