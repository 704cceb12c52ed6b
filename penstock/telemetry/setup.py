"""Turns spans on where the environment names a collector, by OpenTelemetry's own variables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from penstock.clock import SystemClock
from penstock.engine.handler import Handler
from penstock.errors import PenstockError
from penstock.topology.model import Processor, Topology

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
Wrap = Callable[[Handler], Handler]


@asynccontextmanager
async def tracing(topology: Topology, processor: Processor, environ: Mapping[str, str]) -> AsyncIterator[Wrap | None]:
    """What wraps the handler, while inside; None where no collector is named, or OTEL_SDK_DISABLED is true.

    Spans leave from a thread of the exporter's own, and the last of them when this is left. Raises PenstockError where
    the packages are missing.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(environ.get(name) for name in ENDPOINTS):
        yield None
        return
    import asyncio

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from penstock.telemetry.spans import Tracing
    except ImportError as error:
        raise PenstockError(
            f"a collector is named ({', '.join(name for name in ENDPOINTS if environ.get(name))}), "
            f"but OpenTelemetry is not installed: {error}",
            'pip install "penstock[otel]", or unset the variable',
        ) from error
    service = environ.get("OTEL_SERVICE_NAME") or f"{topology.name}.{processor.name}"
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield Tracing(provider.get_tracer("penstock"), processor, SystemClock()).wrap
    finally:
        await asyncio.to_thread(provider.shutdown)
