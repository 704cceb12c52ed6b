"""The gateway against the same app without Kafka, and against a bare publisher loop, in turn on one broker.

`python -m benchmarks.gateway` starts its own Kafka, prints events a second and latencies, medians of its rounds, and
the ratios. The clients are one process of many connections, each with one request under way.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import orjson
import uvloop

from benchmarks.subjects.gateway_app import TOPIC, TOPOLOGY
from penstock import AsyncPublisher, local_kafka
from penstock.broker.kafka.keeper import KafkaBroker
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.topology.reader import read_text

ROOT = Path(__file__).parents[1]
BODY = orjson.dumps({"customer_id": "c-1042", "text": "x" * 200})
REQUEST = (
    b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(BODY)
) + BODY
GOAL = 0.6


class Client(asyncio.Protocol):
    """One connection with one request under way; `latencies` are in seconds."""

    def __init__(self, latencies: list[float], refused: list[bytes]) -> None:
        self._latencies = latencies
        self._refused = refused
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 202"):
            self._refused.append(self._buffer)
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) >= length:
            self._buffer = b""
            self._latencies.append(time.perf_counter() - self._sent)
            self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(REQUEST)


async def requests(port: int, connections: int, seconds: float) -> list[float]:
    """Latencies of all that was answered within `seconds`, after a second of warming up."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    refused: list[bytes] = []
    opened = [
        await loop.create_connection(lambda: Client(latencies, refused), "127.0.0.1", port) for _ in range(connections)
    ]
    await asyncio.sleep(1)
    latencies.clear()
    await asyncio.sleep(seconds)
    found = list(latencies)
    for transport, _ in opened:
        transport.abort()
    if refused or not found:
        raise RuntimeError(f"the gateway did not accept: {refused[:1]}")
    return found


async def publish(bootstrap: str, senders: int, seconds: float) -> list[float]:
    """The same by as many tasks that send and wait, one event each."""
    latencies: list[float] = []
    data = orjson.loads(BODY)

    async def sender(publisher: AsyncPublisher) -> None:
        while True:
            began = time.perf_counter()
            await publisher.send(TOPIC, data, key="c-1042", type="ticket.created")
            latencies.append(time.perf_counter() - began)

    async with AsyncPublisher(bootstrap=bootstrap) as publisher:
        tasks = [asyncio.create_task(sender(publisher)) for _ in range(senders)]
        await asyncio.sleep(1)
        latencies.clear()
        await asyncio.sleep(seconds)
        found = list(latencies)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return found


def served(kind: str, bootstrap: str, connections: int, seconds: float) -> list[float]:
    """Start a gateway of this kind, load it, stop it."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.subjects.gateway_app", kind, str(port), bootstrap]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        end = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the gateway ({kind}) did not start")
            time.sleep(0.1)
        return uvloop.run(requests(port, connections, seconds))
    finally:
        process.kill()
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=64, help="each with one request under way (one alone waits)")
    given = parser.parse_args(arguments)
    rows: dict[str, list[list[float]]] = {
        "gateway": [],
        "same app, no Kafka": [],
        "bare Starlette": [],
        "publisher": [],
    }
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        data = Path(folder) / "data"
        bootstrap = local_kafka.start(data).bootstrap
        try:
            asyncio.run(_topic(bootstrap))
            for _ in range(given.rounds):
                rows["gateway"].append(served("kafka", bootstrap, given.clients, given.seconds))
                rows["same app, no Kafka"].append(served("nowhere", bootstrap, given.clients, given.seconds))
                rows["bare Starlette"].append(served("bare", bootstrap, given.clients, given.seconds))
                rows["publisher"].append(uvloop.run(publish(bootstrap, given.clients, given.seconds)))
        finally:
            local_kafka.wipe(data)
    _print(rows, given.seconds, given.clients)
    return 0


async def _topic(bootstrap: str) -> None:
    broker = KafkaBroker({"bootstrap.servers": bootstrap})
    try:
        plan = await make_plan(read_text(TOPOLOGY, Path("topology.yaml"), {}), broker.admin())
        await apply(plan, broker.admin(), lambda _step: None)
    finally:
        await broker.close()


def _print(rows: dict[str, list[list[float]]], seconds: float, clients: int) -> None:
    def rate(name: str) -> float:
        return median(len(found) / seconds for found in rows[name])

    print(f"{clients} clients, {len(BODY)} bytes an event, {len(rows['gateway'])} rounds of {seconds:g} s\n")
    print("| what | events/s | p50 ms | p99 ms | gateway ÷ it |\n|---|---|---|---|---|")
    for name, found in rows.items():
        cuts = [quantiles(one, n=100) for one in found]
        p50, p99 = (median(cut[at] for cut in cuts) * 1000 for at in (49, 98))
        print(f"| {name} | {rate(name):,.0f} | {p50:.1f} | {p99:.1f} | {rate('gateway') / rate(name):.2f} |")
    ratio = rate("gateway") / rate("same app, no Kafka")
    verdict = "met" if ratio >= GOAL else "MISSED"
    print(f"\ngoal: at least {GOAL:.0%} of the same app without Kafka: {verdict}, {ratio:.0%}")


if __name__ == "__main__":
    sys.exit(main())
