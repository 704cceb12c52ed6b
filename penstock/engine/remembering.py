"""A handler with memory: not called again for a run that was applied, and what it writes is applied once, on success.

    kept? → publish what was kept        the handler → what it emits, sealed → commit → outputs leave → offset

A conflict (another run changed what this one had read) runs again in its lane at once, without spending an attempt,
ten times; then the attempt has failed. While the memory is away runs are put off, without spending an attempt: nothing
is wrong with the event. The handler's own verdict counts for nothing then, since nothing it wrote could be kept.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from penstock.contracts import Memory, ProcessorMemory, RunMemory
from penstock.engine.attempt import Attempt
from penstock.engine.blocking import BlockingMemory
from penstock.engine.handler import Call
from penstock.errors import MemoryConflict, MemoryUnavailable
from penstock.event import AnyEvent
from penstock.record import Outgoing
from penstock.signals import Defer, Signal

MOST_CONFLICTS: Final = 10
AWAY: Final = 5.0  # seconds until a run is tried again whose memory is away: it waits in its lane, and intake slows


class Remembering:
    """Stands in for the handler's `call`."""

    def __init__(self, call: Call, memory: ProcessorMemory, *, threaded: bool = False) -> None:
        """`threaded`: the handler is a plain `def`, and cannot await."""
        self._call = call
        self._threaded = threaded
        self._memory = memory
        self._conflicts: dict[str, int] = {}  # by run id; gone with the run's next other end

    async def __call__(self, event: AnyEvent, attempt: Attempt) -> Any:
        """As the handler; the result is a Signal or None, since what it returned is sealed here."""
        run_id = attempt.run_id
        try:
            result = await self._remembered(event, attempt, run_id)
        except MemoryConflict as conflict:
            seen = self._conflicts.pop(run_id, 0) + 1
            if seen > MOST_CONFLICTS:
                raise
            self._conflicts[run_id] = seen
            raise Defer(f"conflict {seen} of {MOST_CONFLICTS}: {conflict.message}", after=0) from conflict
        except MemoryUnavailable as error:
            raise Defer(f"the memory is away: {error}", after=AWAY) from error
        except BaseException:
            self._conflicts.pop(run_id, None)
            raise
        self._conflicts.pop(run_id, None)
        return result

    async def _remembered(self, event: AnyEvent, attempt: Attempt, run_id: str) -> Any:
        kept = await self._memory.kept(run_id)
        if kept is not None:
            attempt.emitted = kept
            return None
        run = self._memory.begin(event, run_id)
        attempt.memory = self._as_seen(run.memory)
        try:
            result = await self._call(event, attempt)
        except Exception:
            if run.away is not None:
                raise run.away from None
            raise
        if run.away is not None:
            raise run.away
        if isinstance(result, Signal):
            return result
        attempt.take(result)
        attempt.emitted = await _certainly(run, attempt.emitted)
        return None

    def _as_seen(self, memory: Memory) -> Any:
        return BlockingMemory(memory, asyncio.get_running_loop()) if self._threaded else memory


async def _certainly(run: RunMemory, emitted: tuple[Outgoing, ...]) -> tuple[Outgoing, ...]:
    """Commit, and know how it ended: a timeout that strikes meanwhile must not fail a run that was applied."""
    work = asyncio.ensure_future(run.commit(emitted))
    while True:
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if work.cancelled():
                raise
