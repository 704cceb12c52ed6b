"""One attempt as its handler sees it: the Context that design section 5 promises."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from penstock import headers as wire
from penstock.clock import Clock
from penstock.contracts import Memory
from penstock.engine.counters import Counters
from penstock.engine.handler import Yields
from penstock.engine.partition import PartitionState
from penstock.engine.run import Run
from penstock.engine.trail import StepUnderWay, Trail, Usage
from penstock.errors import HandlerError
from penstock.event import AnyEvent
from penstock.record import Outgoing
from penstock.schema.codec import Codec
from penstock.schema.identity import emitted_id
from penstock.schema.sealing import Stamp, spell_instant
from penstock.topology.derived import progress_topic
from penstock.topology.model import Processor, Topology

if TYPE_CHECKING:
    import httpx

_SAME: Final[Any] = object()


@dataclass(frozen=True)
class Surroundings:
    """What all attempts of a worker share. `identify` gives the run id of an event; `send` appends at once."""

    topology: Topology
    processor: Processor
    codec: Codec
    identify: Callable[[AnyEvent], str]
    send: Callable[[Outgoing], Awaitable[Any]]
    http: Callable[[], httpx.AsyncClient]
    log: logging.Logger
    clock: Clock
    counters: Counters
    _stamps: dict[str, Stamp] = field(default_factory=dict)

    def stamp(self, topic: str, type_: str | None) -> Stamp:
        """What seals events of a type for a topic; that of the topic's own type (None, or '') is kept."""
        if type_:
            return self._stamp(topic, type_)
        found = self._stamps.get(topic)
        if found is None:
            declared = self.topology.topics.get(topic)
            found = self._stamps[topic] = self._stamp(topic, (declared.type if declared else None) or "")
        return found

    def _stamp(self, topic: str, type_: str) -> Stamp:
        return Stamp(self.codec, topic, type_, f"/{self.topology.name}/{self.processor.name}")


class Attempt:
    """One attempt of one run. Emitted records are sealed at once (so that a mistake points at its line) and kept."""

    __slots__ = ("_memory", "_shared", "emitted", "event", "run")

    def __init__(self, shared: Surroundings, event: AnyEvent, run: Run) -> None:
        self._shared = shared
        self.event = event
        self.run = run
        self.emitted: tuple[Outgoing, ...] = ()

    @property
    def attempt(self) -> int:
        """See Context."""
        return self.run.attempts + 1

    @property
    def partition(self) -> PartitionState:
        """Where its record was taken from, in this epoch."""
        return self.run.partition

    def begin_again(self) -> None:
        """The same attempt from its start: what it has emitted is forgotten, its time begins now."""
        self.emitted = ()
        self.run.started = self._shared.clock.monotonic()

    @property
    def deadline(self) -> float:
        """See Context."""
        clock = self._shared.clock
        return clock.now() + self.run.started + self._shared.processor.timeout - clock.monotonic()

    @property
    def run_id(self) -> str:
        """See Context."""
        if not self.run.run_id:
            self.run.run_id = self._shared.identify(self.event)
        return self.run.run_id

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Context."""
        return self._shared.processor.settings

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """See Context."""
        bound = {"run_id": self.run_id, "attempt": self.attempt, "processor": self._shared.processor.name}
        return logging.LoggerAdapter(self._shared.log, bound)

    @property
    def http(self) -> httpx.AsyncClient:
        """See Context."""
        return self._shared.http()

    @property
    def memory(self) -> Memory:
        """See Context."""
        try:
            return self._memory
        except AttributeError:  # set only where there is one: most runs pay nothing
            name = self._shared.processor.name
            raise HandlerError(
                f"processor {name!r} has no memory", "declare one under `memory:` and name it in the processor"
            ) from None

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self._memory = memory

    @property
    def usage(self) -> Usage:
        """See Context."""
        return self.trail().usage

    def step(self, name: str) -> StepUnderWay:
        """See Context."""
        return self.trail().step(name)

    def trail(self) -> Trail:
        """Of this attempt; most runs never ask for one."""
        run = self.run
        if run.trail is None or run.trail.owner is not self:
            shared = self._shared
            run.trail = Trail(self, shared.counters, shared.clock.monotonic, run.started)
        return run.trail

    def _traceparent(self) -> str:
        """Of this attempt's own span; '' where nobody traces it."""
        trail = self.run.trail
        return trail.traceparent if trail is not None and trail.owner is self else ""

    def emit(
        self,
        topic: str,
        data: Any,
        *,
        key: Any = _SAME,
        type: str | None = None,
        subject: str | None = None,
        headers: Mapping[str, str | bytes | None] | None = None,
    ) -> None:
        """See Context."""
        processor = self._shared.processor
        if topic != processor.output and topic not in processor.emits:
            raise ValueError(
                f"processor {processor.name!r} may not emit to {topic!r}: name it under `emits` of the topology"
            )
        sealed = self._seal(topic, data, key, type, subject, headers, len(self.emitted))
        self.emitted = (*self.emitted, sealed)

    def take(self, result: Any) -> None:
        """Send what the handler returned, or all that it yielded. Raises ValueError where there is no `output`."""
        if isinstance(result, Yields):
            for item in result.items:
                self.give(item)
        elif result is not None:
            self.give(result)

    def give(self, result: Any) -> None:
        """Send a returned or yielded value to `output`. Raises ValueError where there is none."""
        processor = self._shared.processor
        if processor.output is None:
            raise ValueError(
                f"processor {processor.name!r} returned a value and has no `output`: declare one, or return None"
            )
        self.emit(processor.output, result)

    async def progress(self, data: Any) -> None:
        """See Context."""
        topic = progress_topic(self._shared.topology.name)
        sealed = self._seal(topic, data, _SAME, f"{self.event.type or 'event'}.progress", None, None, 0)
        marks = [wire.line(wire.PROGRESS, "true"), wire.line(wire.ATTEMPT, self.attempt)]
        await self._shared.send(Outgoing(topic, sealed.key, sealed.value, (*sealed.headers, *marks)))

    def _seal(
        self,
        topic: str,
        data: Any,
        key: Any,
        type_: str | None,
        subject: str | None,
        headers: Mapping[str, str | bytes | None] | None,
        index: int,
    ) -> Outgoing:
        shared, event, run_id = self._shared, self.event, self.run_id
        texts, id_ = event.texts, event.id
        return shared.stamp(topic, type_).seal(
            data,
            event.record.key if key is _SAME else key,
            emitted_id(run_id, topic, index),
            time=spell_instant(shared.clock.now()),
            subject=subject,
            correlation_id=texts.get(wire.CE_CORRELATION_ID) or id_,
            causation_id=id_,
            tenant=texts.get(wire.CE_TENANT_ID),
            traceparent=self._traceparent() or texts.get(wire.TRACEPARENT),
            headers=headers,
            marks=((wire.RUN_ID, run_id.encode()),),
        )
