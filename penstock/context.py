"""What a handler is given beside its event: who this run is, how long it has, and the ways to speak."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import httpx

    from penstock.contracts import Memory


class Usage(Protocol):
    """What an attempt uses of models."""

    def add(
        self,
        model: str,
        *,
        tokens_in: int = 0,
        tokens_out: int = 0,
        cost: float | None = None,
        tool_calls: int = 0,
    ) -> None:
        """Report one call of a model. `cost` in the currency of your price list; None where it is not known.

        Raises ValueError for negative figures.
        """
        ...


class TimedStep(Protocol):
    """A step under way, see Context.step: entered with `async with` or `with`."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Context(Protocol):
    """One attempt of one run, as its handler sees it."""

    @property
    def run_id(self) -> str:
        """Stable over attempts, redelivery and replay: the idempotency key to hand to outside systems."""
        ...

    @property
    def attempt(self) -> int:
        """Counts from 1."""
        ...

    @property
    def deadline(self) -> float:
        """Epoch seconds at which this attempt times out."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """The processor's `settings` of the topology."""
        ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger bound to this run."""
        ...

    @property
    def http(self) -> httpx.AsyncClient:
        """One client shared by all runs of the worker, made when first asked for."""
        ...

    @property
    def memory(self) -> Memory:
        """What this agent remembers, of this conversation. Raises HandlerError where the processor has no `memory`."""
        ...

    @property
    def usage(self) -> Usage:
        """Where model calls are reported: they reach the run record, the metrics and the log line."""
        ...

    def step(self, name: str) -> TimedStep:
        """A named part of the attempt, timed: `async with ctx.step("classify"):`, or `with` in a plain `def`.

        Steps may overlap and repeat; the record keeps the first 200. Take names from a small set: they label a metric.
        """
        ...

    def emit(
        self,
        topic: str,
        data: Any,
        *,
        key: Any = ...,
        type: str | None = None,
        subject: str | None = None,
        headers: Mapping[str, str | bytes | None] | None = None,
    ) -> None:
        """Add an event that leaves when the handler has succeeded; a failed attempt emits nothing.

        `key` is the event's own unless given; `type` the topic's unless given. `topic` must be the processor's
        `output` or named in its `emits`. Raises ValueError otherwise, Unencodable where `data` does not fit.
        """
        ...

    async def progress(self, data: Any) -> None:
        """Send to `<name>.progress` at once, marked with run id and attempt; it may repeat."""
        ...
