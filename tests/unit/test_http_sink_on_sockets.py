"""The HTTP sink with its own client, over a real socket: private addresses only where they are named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from penstock.connectors.http_sink import HttpSink
from penstock.connectors.http_sink.sink import NotDelivered
from penstock.event import Event
from penstock.record import Record
from penstock.secret import Secret
from penstock.signals import Defer, Reject
from penstock.topology.http_options import HttpSinkOptions

OPTIONS = HttpSinkOptions(name="crm", type="http_sink", topics=("t",), url="data.url")


class Receiver:
    """An HTTP server of few words: answers what it is told to and keeps what it read."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.read: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.read.append(head + await reader.readexactly(length))
        writer.write(self.answer)
        writer.close()


def deliver(options: HttpSinkOptions, receiver: Receiver, host: str = "127.0.0.1") -> None:
    """Deliver one event to the receiver. Raises what the sink raises."""

    async def main() -> None:
        async with await asyncio.start_server(receiver, "127.0.0.1", 0) as server:
            url = f"http://{host}:{server.sockets[0].getsockname()[1]}/in"
            event = Event(Record("t", 0, 0, 0, b"k", None, [("ce_id", b"e-1")]), {"url": url}, "t")
            await with_sink(options, lambda sink: sink(event, SimpleNamespace(run_id="run-1")))

    asyncio.run(main())


async def with_sink(options: HttpSinkOptions, use: Callable[[HttpSink], Awaitable[None]]) -> None:
    sink = HttpSink(options)
    await sink.setup()
    try:
        await use(sink)
    finally:
        await sink.close()


def answer(status: str, *headers: str) -> Receiver:
    lines = [f"HTTP/1.1 {status}", "Content-Length: 2", "Connection: close", *headers, "", "ok"]
    return Receiver("\r\n".join(lines).encode())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_named_host_is_delivered_to(host):
    receiver = answer("200 OK")
    deliver(replace(OPTIONS, private_hosts=(host,)), receiver, host)

    (read,) = receiver.read
    assert read.startswith(b"POST /in HTTP/1.1\r\n")
    assert b"idempotency-key: run-1" in read
    assert b"ce-id: e-1" in read


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1"])
def test_a_private_address_is_not_even_connected_to(host):
    receiver = answer("200 OK")
    with pytest.raises(Reject, match="is at a private address"):
        deliver(OPTIONS, receiver, host)

    assert receiver.read == []


def test_a_redirect_to_a_private_address_is_not_followed():
    receiver = answer("307 Temporary Redirect", "Location: http://169.254.169.254/latest")
    options = replace(OPTIONS, private_hosts=("127.0.0.1",), follow_redirects=True)
    with pytest.raises(Reject, match="answered 307"):
        deliver(options, receiver)


def test_answers_are_obeyed_over_a_socket_too():
    options = replace(OPTIONS, private_hosts=("127.0.0.1",))
    with pytest.raises(Defer) as deferred:
        deliver(options, answer("503 Busy", "Retry-After: 7"))
    with pytest.raises(NotDelivered, match="answered 500: ok"):
        deliver(options, answer("500 Oops"))

    assert deferred.value.after == 7


def test_nobody_there_is_a_failed_attempt():
    async def main():
        server = await asyncio.start_server(answer("200 OK"), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        data = {"url": f"http://127.0.0.1:{port}/?token=hunter2"}
        event = Event(Record("t", 0, 0, 0, None, None), data, "t")
        options = replace(OPTIONS, private_hosts=("127.0.0.1",))
        await with_sink(options, lambda sink: sink(event, SimpleNamespace(run_id="run-1")))

    with pytest.raises(NotDelivered) as failed:
        asyncio.run(main())
    assert "hunter2" not in str(failed.value)


def test_an_unusable_secret_is_said_at_the_start():
    options = replace(OPTIONS, signing_secret=Secret("hunter2"))
    with pytest.raises(Exception, match="none of Standard Webhooks") as failed:
        asyncio.run(with_sink(options, lambda _sink: asyncio.sleep(0)))

    assert "hunter2" not in str(failed.value)
