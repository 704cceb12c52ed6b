"""`penstock run` with OTEL_EXPORTER_OTLP_ENDPOINT sends its spans to a collector, by OTLP over HTTP.

The collector here takes the requests apart with OpenTelemetry's own protobuf types; the workers run on a real Kafka.
"""

from __future__ import annotations

import gzip
import http.server
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import served

APP = """\
async def triage(event, ctx):
    async with ctx.step("classify"):
        ctx.usage.add("small-1", tokens_in=220, tokens_out=12)
    return {"area": "card"}


async def answer(event, ctx):
    return None
"""
TOPOLOGY = """\
version: 1
name: {name}
kafka: {{ bootstrap.servers: "{kafka}" }}
topics: {{ {name}.new: {{ partitions: 1 }}, {name}.done: {{ partitions: 1 }} }}
processors:
  triage: {{ handler: "app:triage", topics: [{name}.new], output: {name}.done }}
  answer: {{ handler: "app:answer", topics: [{name}.done] }}
"""


class Collector:
    """Every span that was sent, with the name of its service; `refused` are requests that are no OTLP."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        self.refused: list[str] = []

    def take(self, path: str, body: bytes) -> int:
        """One request; the status to answer with."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        if path != "/v1/traces":
            self.refused.append(path)
            return 404
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(each.value.string_value for each in one.resource.attributes if each.key == "service.name")
            self.spans += [(service, span) for scope in one.scope_spans for span in scope.spans]
        return 200

    def named(self, name: str) -> list[Any]:
        """The spans of this name."""
        return [span for _, span in self.spans if span.name == name]


@pytest.fixture
def collector(absent: Callable[[str], None]) -> Iterator[tuple[str, Collector]]:
    """Its address, and what it has received."""
    try:
        importlib.import_module("opentelemetry.exporter.otlp.proto.http")  # the part that only the extra brings
    except ImportError:
        absent("the extra `otel` is not installed")
    found = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            self.send_response(found.take(self.path, body))
            self.end_headers()

        def log_message(self, *_said: Any) -> None:
            pass

    with served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address, found


def attribute(span: Any, name: str) -> Any:
    value = next(one.value for one in span.attributes if one.key == name)
    return getattr(value, value.WhichOneof("value"))


@pytest.mark.kafka
def test_spans_of_two_workers_reach_it_and_are_linked(kafka, collector, tmp_path: Path, topic_name):
    address, received = collector
    name = topic_name("otlp")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "topology.yaml").write_text(TOPOLOGY.format(name=name, kafka=kafka))
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    penstock = [sys.executable, "-m", "penstock"]

    def verb(*words: str) -> None:
        subprocess.run([*penstock, *words], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL, timeout=60)

    verb("apply", "--yes")
    with (tmp_path / "log").open("w") as log:
        up = subprocess.Popen([*penstock, "up", "--no-console"], cwd=tmp_path, env=environ, stdout=log, stderr=log)
    try:
        verb("send", f"{name}.new", json.dumps({"text": "help"}), "--key", "k")
        deadline = time.monotonic() + 60
        while not received.named(f"process {name}.done") and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        up.terminate()
        up.wait(timeout=60)

    assert received.refused == []
    (first,), (second,) = received.named(f"process {name}.new"), received.named(f"process {name}.done")
    (step,) = received.named("classify")
    assert {service for service, _ in received.spans} == {f"{name}.triage", f"{name}.answer"}
    assert attribute(first, "messaging.system") == "kafka"
    assert attribute(step, "gen_ai.usage.input_tokens") == 220
    assert (step.trace_id, step.parent_span_id) == (first.trace_id, first.span_id)
    assert [link.span_id for link in second.links] == [first.span_id]
    assert second.parent_span_id == b""
