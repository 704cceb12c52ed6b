"""What changes while one looks: server-sent events of the processors' figures and of attempts as they end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from penstock.console.desk import Desk
from penstock.console.sampling import EVERY, Figures, Sample, Sampler
from penstock.console.shown import attempt_values, run_filters
from penstock.deploy import local_workers
from penstock.deploy.scrape import scrape
from penstock.errors import PenstockError
from penstock.runs.decoding import RanAttempt
from penstock.runs.reading import tail_runs

_QUIET: Final = 15.0  # seconds without an event, after which a comment keeps the connection open
_BURST: Final = 200  # attempts in one event; the rest of a burst is counted


class Live:
    """The streams of one console; all who watch share one series of samples."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.sampler = Sampler(
            desk.groups,
            lambda: asyncio.to_thread(scrape, local_workers.running(desk.topology)),
            desk.clock,
        )

    def routes(self) -> list[Route]:
        """The two streams."""
        return [Route("/live/figures", self.figures), Route("/live/runs", self.runs)]

    async def figures(self, request: Request) -> StreamingResponse:
        """A sample every two seconds."""

        async def samples() -> AsyncIterator[bytes]:
            while not await request.is_disconnected():
                yield _event("figures", sample_values(await self.sampler.newest()))
                await asyncio.sleep(EVERY)

        return _stream(samples())

    async def runs(self, request: Request) -> StreamingResponse:
        """Attempts that the page's filters mean, as their records arrive, from the moment one asks."""
        filters = run_filters(request.query_params)
        asked = round(self._desk.clock.now() * 1000)

        async def attempts() -> AsyncIterator[bytes]:
            try:
                async with aclosing(tail_runs(self._desk.topology, self._desk.broker, asked)) as batches:
                    async for batch in _or_quiet(batches):
                        if await request.is_disconnected():
                            return
                        found = [one for one in batch if filters(one)]
                        if found:
                            shown = [attempt_values(one) for one in found[-_BURST:]]
                            yield _event("attempts", {"attempts": shown, "more": len(found) - len(shown)})
                        elif not batch:
                            yield b": still here\n\n"
            except PenstockError as error:
                yield _event("problem", {"message": error.message, "hint": error.hint})

        return _stream(attempts())


async def _or_quiet(
    batches: AsyncGenerator[tuple[Any, tuple[RanAttempt, ...]], None],
) -> AsyncIterator[tuple[RanAttempt, ...]]:
    """The attempts of each batch; an empty one where nothing came for a while."""
    pending: asyncio.Task[Any] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(batches))
            done, _ = await asyncio.wait((pending,), timeout=_QUIET)
            if not done:
                yield ()
                continue
            finished, pending = pending, None
            yield finished.result()[1]
    finally:
        if pending is not None:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await pending


def sample_values(sample: Sample) -> dict[str, Any]:
    """A sample as JSON."""
    return {
        "at": sample.at,
        "problem": sample.problem,
        "figures": {name: figure_values(one) for name, one in sample.figures.items()},
    }


def figure_values(one: Figures) -> dict[str, Any]:
    """One processor's figures as JSON, what is computed included."""
    return {**asdict(one), "saturation": one.saturation}


def _event(name: str, values: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(values) + b"\n\n"


def _stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
