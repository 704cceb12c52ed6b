"""A span per attempt and per step, by the conventions for messaging and gen-ai.

A consumer's span is linked to the one that sent the event, not its child: an event may be handled days later, by many.
What the attempt emits carries the attempt's own `traceparent`, so the next processor's span links back to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from penstock import headers as wire
from penstock.clock import Clock
from penstock.engine.attempt import Attempt
from penstock.engine.handler import Handler
from penstock.engine.trail import Call, Step, Trail
from penstock.event import AnyEvent
from penstock.signals import Signal
from penstock.topology.model import Processor

_CARRIER: Final = TraceContextTextMapPropagator()
Attributes = dict[str, Any]


class Tracing:
    """Wraps handlers of one processor, so that each attempt is a span of `tracer`."""

    def __init__(self, tracer: Tracer, processor: Processor, clock: Clock) -> None:
        self._tracer = tracer
        self._processor = processor
        self._clock = clock
        # The convention asks for a provider. What we know of it is the limit that is declared for it.
        self._provider = processor.limits[0] if processor.limits else "unknown"

    def wrap(self, handler: Handler) -> Handler:
        """The same handler, with its spans."""
        call = handler.call

        async def traced(event: AnyEvent, attempt: Attempt) -> Any:
            trail = attempt.trail()
            trail.usage.heard = []
            with self._tracer.start_as_current_span(
                f"process {event.origin.topic}",
                kind=SpanKind.CONSUMER,
                links=_links(event),
                attributes=self._attributes(event, attempt),
                start_time=_nanos(self._clock.now()),
                end_on_exit=False,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                trail.traceparent = _traceparent(span)
                try:
                    return await call(event, attempt)
                except BaseException as error:
                    _failed(span, error)
                    raise
                finally:
                    self._tell(span, trail)
                    span.end(_nanos(self._clock.now()))

        return dataclasses.replace(handler, call=traced)

    def _attributes(self, event: AnyEvent, attempt: Attempt) -> Attributes:
        position = event.position
        found: Attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": position.topic,
            "messaging.destination.partition.id": str(position.partition),
            "messaging.kafka.offset": position.offset,
            "messaging.consumer.group.name": self._processor.group_id,
            "messaging.message.id": event.id,
            "messaging.message.conversation_id": event.correlation_id,
            "penstock.processor": self._processor.name,
            "penstock.run_id": attempt.run_id,
            "penstock.attempt": attempt.attempt,
        }
        key = event.key
        if key is not None:
            found["messaging.kafka.message.key"] = key if isinstance(key, str) else key.hex()
        return found

    def _tell(self, span: Span, trail: Trail) -> None:
        """The steps as child spans, and each model call at the step in which it was reported."""
        began = self._clock.now() - (self._clock.monotonic() - trail.started)
        calls = list(trail.usage.heard or ())
        for step in sorted(trail.steps, key=lambda one: one.duration):  # the innermost takes the call
            inside = [one for one in calls if step.at <= one.at - trail.started <= step.at + step.duration]
            calls = [one for one in calls if one not in inside]
            self._step(step, began + step.at, inside)
        span.set_attributes(self._used(calls))

    def _step(self, step: Step, started: float, calls: Sequence[Call]) -> None:
        kind = SpanKind.CLIENT if calls else SpanKind.INTERNAL
        child = self._tracer.start_span(
            step.name,
            kind=kind,
            start_time=_nanos(started),
            attributes={"penstock.step": step.name, **self._used(calls)},
        )
        if step.error:
            child.set_attribute("error.type", step.error)
            child.set_status(Status(StatusCode.ERROR, step.error))
        child.end(_nanos(started + step.duration))

    def _used(self, calls: Sequence[Call]) -> Attributes:
        """Model calls by the gen-ai conventions: of several models the last is named, tokens are summed."""
        if not calls:
            return {}
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": calls[-1].model,
            "gen_ai.usage.input_tokens": sum(one.tokens_in for one in calls),
            "gen_ai.usage.output_tokens": sum(one.tokens_out for one in calls),
        }


def _links(event: AnyEvent) -> list[Link]:
    carried = _texts(event)
    context = trace.get_current_span(_CARRIER.extract(carried)).get_span_context() if carried else None
    return [Link(context)] if context is not None and context.is_valid else []


def _texts(event: AnyEvent) -> Mapping[str, str]:
    said = wire.text(event.record.headers, wire.TRACEPARENT)
    return {wire.TRACEPARENT: said} if said else {}


def _traceparent(span: Span) -> str:
    """The header that names this span; '' where it is not recorded."""
    carrier: dict[str, str] = {}
    _CARRIER.inject(carrier, trace.set_span_in_context(span))
    return carrier.get(wire.TRACEPARENT, "")


def _failed(span: Span, error: BaseException) -> None:
    """A signal is the handler's own word and no error, but for Reject and Retry, which end or fail the attempt."""
    name = type(error).__qualname__
    if isinstance(error, Signal):
        span.set_attribute("penstock.signal", name)
        if name in ("Defer", "Skip"):
            return
    span.set_attribute("error.type", name)
    span.set_status(Status(StatusCode.ERROR, str(error)[:1000]))
    span.record_exception(error)


def _nanos(seconds: float) -> int:
    return round(seconds * 1e9)
