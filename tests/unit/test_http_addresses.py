"""Only public addresses are connected to, whatever a name resolves to, and whenever."""

from __future__ import annotations

import asyncio
import socket

import httpcore
import httpx
import pytest

from penstock.connectors.http_sink.addresses import PrivateAddress, client, is_public

PRIVATE = """
    127.0.0.1 127.8.8.8 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 255.255.255.255 224.0.0.1
    192.0.2.1 198.18.0.1 240.0.0.1 :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 2001:db8::1 ::ffff:127.0.0.1
    ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2002:a00:1::
"""
PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PRIVATE.split())
def test_these_are_private(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_these_are_public(address):
    assert is_public(address)


class Network(httpcore.AsyncMockBackend):
    """Answers 200 to all, except that nobody listens at `dead`; keeps where it was asked to connect."""

    def __init__(self, *dead):
        super().__init__([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"])
        self.dead = dead
        self.connected = []

    async def connect_tcp(self, host, port, *args, **kwargs):
        self.connected.append(host)
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        return await super().connect_tcp(host, port, *args, **kwargs)


def get(network, resolved, private_hosts=(), url="http://hooks.example/", times=1):
    """The status of requests while the name resolves to each of `resolved` in turn."""
    answers = list(resolved)

    async def look_up(host, port, **_kwargs):
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    async def main():
        asyncio.get_running_loop().getaddrinfo = look_up
        async with client(private_hosts, network) as http:
            return [(await http.get(url)).status_code for _ in range(times)]

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main())


def test_the_address_that_was_judged_is_the_one_connected_to():
    network = Network()

    assert get(network, [["1.1.1.1"]]) == [200]
    assert network.connected == ["1.1.1.1"], "an address, never the name: it might resolve to another"


def test_a_name_that_changes_its_mind_is_judged_each_time():
    network = Network()

    with pytest.raises(PrivateAddress, match=r"hooks\.example is at a private address"):
        get(network, [["1.1.1.1"], ["127.0.0.1"]], times=2)
    assert network.connected == ["1.1.1.1"]


def test_private_addresses_beside_public_ones_are_passed_over():
    network = Network("1.1.1.1")

    assert get(network, [["10.0.0.1", "1.1.1.1", "8.8.8.8"]]) == [200]
    assert network.connected == ["1.1.1.1", "8.8.8.8"]


@pytest.mark.parametrize("url", ["http://2130706433/", "http://127.1/", "http://[::1]/", "http://localhost/"])
def test_other_spellings_of_this_machine_are_private_too(url):
    """Resolved by the real resolver."""

    async def main():
        async with client([], Network()) as http:
            await http.get(url)

    with pytest.raises(PrivateAddress):
        asyncio.run(main())


def test_a_host_that_is_named_may_be_private():
    network = Network()

    assert get(network, [["10.0.0.1"]], ["Hooks.example"]) == [200]


def test_a_host_without_an_answer_is_a_passing_failure():
    with pytest.raises(httpx.ConnectError):
        get(Network("1.1.1.1"), [["1.1.1.1"]])


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    """It would look the name up itself."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    network = Network()

    assert get(network, [["1.1.1.1"]]) == [200]
    assert network.connected == ["1.1.1.1"]


def test_another_httpx_is_refused_rather_than_unguarded(monkeypatch):
    from penstock.errors import PenstockError

    class Other(httpx.AsyncHTTPTransport):
        def __init__(self, **_kwargs):
            self._connections = None

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", Other)
    with pytest.raises(PenstockError, match="does not know httpx"):
        client([])
