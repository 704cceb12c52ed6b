"""OpenTelemetry: a span per attempt and per step by the conventions, linked (not parented) across topics."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys

import pytest

from penstock import Defer
from penstock.broker.in_memory import InMemoryBroker
from penstock.engine.assembly import build
from penstock.engine.handler import adapt
from penstock.errors import PenstockError
from penstock.record import Outgoing
from penstock.telemetry.setup import tracing
from penstock.testing.kit import TestApp
from penstock.testing.virtual_time import run_virtual

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from penstock.telemetry.spans import Tracing

SENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def _agent(event, ctx):
    async with ctx.step("classify"):
        await asyncio.sleep(2)
        ctx.usage.add("gpt-5", tokens_in=100, tokens_out=7)
    if event.data.get("wait") and not _agent.waited:
        _agent.waited = True
        raise Defer(after=2)
    if ctx.attempt == 1 and event.data.get("fail"):
        async with ctx.step("reply"):
            raise RuntimeError("model away")
    return {"span": f"{get_current_span().get_span_context().span_id:016x}"}


def traced(topology_of, data, headers=()):
    """The finished spans of one event through one processor, and the records it emitted."""
    _agent.waited = False
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    topology = topology_of()
    processor = topology.processors["work"]

    async def main(clock):
        app = TestApp(topology, InMemoryBroker(clock), clock, {})
        await app.create_topics()
        wrap = Tracing(provider.get_tracer("penstock"), processor, clock).wrap
        worker = await build(topology, processor, adapt(_agent, processor), app.broker, clock, wrap=wrap)
        task = asyncio.ensure_future(worker.run())
        await app.broker.producer().send(Outgoing("src", b"k1", json.dumps(data).encode(), headers))
        while not app.records("out"):
            await asyncio.sleep(0.5)
        worker.stop()
        await task
        return app.records("out")

    records = run_virtual(main)
    return exporter.get_finished_spans(), records


def test_an_attempt_is_a_span_by_the_messaging_conventions_linked_to_who_sent_the_event(topology_of):
    headers = [("ce_id", b"e1"), ("traceparent", SENT.encode())]
    (step, attempt), (out,) = traced(topology_of, {}, headers)

    assert (attempt.name, attempt.kind, attempt.parent) == ("process src", SpanKind.CONSUMER, None)
    (link,) = attempt.links
    assert f"{link.context.trace_id:032x}" == SENT.split("-")[1]
    said = attempt.attributes
    assert (said["messaging.system"], said["messaging.operation.type"]) == ("kafka", "process")
    assert (said["messaging.destination.name"], said["messaging.consumer.group.name"]) == ("src", "t.work")
    assert (said["messaging.message.id"], said["messaging.kafka.message.key"]) == ("e1", "k1")
    assert (said["messaging.kafka.offset"], said["penstock.attempt"]) == (0, 1)
    assert (step.name, step.parent.span_id) == ("classify", attempt.context.span_id)
    assert (step.end_time - step.start_time) / 1e9 == pytest.approx(2)
    assert attempt.start_time <= step.start_time <= step.end_time <= attempt.end_time
    named = f"00-{attempt.context.trace_id:032x}-{attempt.context.span_id:016x}-"
    assert out.header("traceparent").decode().startswith(named), "the attempt, not the span before it"
    assert json.loads(out.value)["span"] == f"{attempt.context.span_id:016x}", "it is current inside the handler"


def test_a_model_call_stands_at_its_step_by_the_gen_ai_conventions(topology_of):
    (step, attempt), _ = traced(topology_of, {})

    assert step.attributes["gen_ai.request.model"] == "gpt-5"
    assert step.attributes["gen_ai.provider.name"] == "unknown", "no limit says who it is"
    assert step.attributes["gen_ai.usage.input_tokens"] == 100
    assert step.attributes["gen_ai.usage.output_tokens"] == 7
    assert "gen_ai.request.model" not in attempt.attributes


def test_every_attribute_is_one_of_todays_conventions_or_our_own(topology_of):
    attributes = "opentelemetry.semconv._incubating.attributes"
    modules = [importlib.import_module(f"{attributes}.{name}_attributes") for name in ("messaging", "gen_ai", "error")]
    known = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    replaced = {
        "messaging.operation",
        "messaging.kafka.message.offset",
        "messaging.kafka.consumer.group",
        "gen_ai.system",
    }
    spans, _ = traced(topology_of, {}, [("traceparent", SENT.encode())])
    said = {name for span in spans for name in span.attributes if not name.startswith("penstock.")}

    assert len(said) > 12
    assert said <= known - replaced


def test_a_failed_attempt_and_its_step_say_so_and_the_next_is_a_span_of_its_own(topology_of):
    spans, _ = traced(topology_of, {"fail": True})
    attempts = [span for span in spans if span.kind is SpanKind.CONSUMER]
    reply = next(span for span in spans if span.name == "reply")

    assert [span.status.status_code for span in attempts] == [StatusCode.ERROR, StatusCode.UNSET]
    assert [span.attributes["penstock.attempt"] for span in attempts] == [1, 2]
    assert len({span.attributes["penstock.run_id"] for span in attempts}) == 1
    assert attempts[0].events[0].attributes["exception.type"] == "RuntimeError"
    assert reply.attributes["error.type"] == "RuntimeError"
    assert len({span.context.trace_id for span in attempts}) == 2


def test_to_defer_is_no_error(topology_of):
    spans, _ = traced(topology_of, {"wait": True})
    first = next(span for span in spans if span.kind is SpanKind.CONSUMER)

    assert (first.attributes["penstock.signal"], first.status.status_code) == ("Defer", StatusCode.UNSET)


def test_it_is_off_unless_a_collector_is_named_and_a_missing_package_is_said(topology_of, monkeypatch):
    topology = topology_of()
    processor = topology.processors["work"]

    async def wrap(environ):
        async with tracing(topology, processor, environ) as found:
            return found

    assert asyncio.run(wrap({})) is None
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert asyncio.run(wrap({**named, "OTEL_SDK_DISABLED": "true"})) is None
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(PenstockError, match="OpenTelemetry is not installed") as caught:
        asyncio.run(wrap(named))
    assert "penstock[otel]" in caught.value.hint
