"""One gateway process to be measured: on Kafka, the same app with a producer that only says yes, or bare Starlette."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.clock import SystemClock
from penstock.connectors.http_source.assembly import assemble
from penstock.connectors.http_source.server import Server, listen
from penstock.record import Outgoing, Position
from penstock.topology.http_options import HttpSourceOptions
from penstock.topology.reader import read_text

TOPIC = "bench.gateway"
TOPOLOGY = f"""
version: 1
name: bench
topics: {{ {TOPIC}: {{ partitions: 6, type: ticket.created }} }}
connectors: {{ inbox: {{ type: http_source, path: /events, topic: {TOPIC}, key: data.customer_id }} }}
"""


class Nowhere:
    """A broker and producer that has everything at once and keeps nothing."""

    def producer(self, _client_id: str) -> Nowhere:
        return self

    def send(self, record: Outgoing) -> asyncio.Future[Position]:
        future: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        future.set_result(Position(record.topic, 0, 0))
        return future

    async def close(self) -> None: ...


async def _bare(request: Request) -> Response:
    orjson.loads(await request.body())
    return Response(b'{"status":"accepted"}', 202, media_type="application/json")


async def serve(kind: str, port: int, bootstrap: str) -> None:
    topology = read_text(TOPOLOGY, Path("topology.yaml"), {})
    options = topology.connectors["inbox"]
    assert isinstance(options, HttpSourceOptions)
    broker: Any = KafkaBroker({"bootstrap.servers": bootstrap}) if kind == "kafka" else Nowhere()
    app = assemble(options, topology, broker, SystemClock(), lambda _status, _events: None).app
    if kind == "bare":
        app = Starlette(routes=[Route("/events", _bare, methods=["POST"])])
    await Server(app, listen("127.0.0.1", port), 5).run(asyncio.Event().wait(), lambda: None)  # type: ignore[arg-type]


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
