"""The sink `file_sink`: files of aligned offset ranges, `<path>/<topic>/<partition>/<first offset>.<format>`.

An event is finished once its file is closed, that is written whole after its range has passed. So the committed offset
stands at the beginning of a range, and after a crash or a rebalance the range is read again and its file written over.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from penstock.connectors import file_rows
from penstock.connectors.file_store import FileStore, store_for
from penstock.context import Context
from penstock.event import AnyEvent, Origin
from penstock.signals import Defer, Signal
from penstock.topology.file_options import FileSinkOptions

log = logging.getLogger("penstock.sink")
_AGAIN: Final = "5s"
_TOGETHER: Final = 0.2  # seconds
_Place: TypeAlias = tuple[str, int, int]  # topic, partition, first offset


@dataclass
class _Range:
    """The events of one file, while it is open."""

    name: str
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    waiting: dict[int, asyncio.Future[Signal | None]] = field(default_factory=dict)
    dirty: bool = False
    late: bool = False  # its range had passed when it was opened: what comes back after a failure
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


class FileSink:
    """Each event waits in its range until that is closed; its slot is taken meanwhile, nothing else."""

    Options = FileSinkOptions

    def __init__(self, options: FileSinkOptions) -> None:
        """Raises ModuleNotFoundError where the format or the path needs an extra."""
        if options.format == "parquet":
            import pyarrow.parquet  # noqa: F401 - looked for now, so that its absence is said at the start
        self._options = options
        self._store: FileStore
        self._store, self._root = store_for(options.path, options.directory)
        self._open: dict[_Place, _Range] = {}
        self._newest: dict[tuple[str, int], int] = {}  # the latest range of each partition
        self._flushing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def setup(self) -> None:
        """Begin to write what is open now and then. Needs a running loop."""
        self._flushing = asyncio.get_running_loop().create_task(self._flush_for_ever())

    async def close(self) -> None:
        """Stop; what is open was not finished and is read again."""
        if self._flushing is not None:
            self._flushing.cancel()

    async def __call__(self, event: AnyEvent, ctx: Context) -> Signal | None:
        """See contracts.Sink. Returns once the file of its range is closed."""
        origin = event.origin
        place = (origin.topic, origin.partition, origin.offset - origin.offset % self._options.records_per_file)
        held = self._open.get(place) or self._opened(place)
        held.rows[origin.offset] = _row(event, origin)
        held.dirty = True
        answer: asyncio.Future[Signal | None] = asyncio.get_running_loop().create_future()
        held.waiting[origin.offset] = answer
        self._close_passed(origin, place)
        try:
            return await answer
        except asyncio.CancelledError:
            self._forget(place, origin.offset, answer)
            raise

    def _opened(self, place: _Place) -> _Range:
        topic, partition, start = place
        name = f"{self._root.rstrip('/')}/{topic}/{partition}/{start:020}.{self._options.format}"
        held = self._open[place] = _Range(name, late=start < self._newest.get(place[:2], start))
        if held.late:  # its like come together: one file for all of them
            asyncio.get_running_loop().call_later(_TOGETHER, self._close, place)
        return held

    def _forget(self, place: _Place, offset: int, answer: asyncio.Future[Signal | None]) -> None:
        """The partition goes, to come back from where it was finished: what is open of it is not ours to close."""
        self._newest.pop(place[:2], None)
        held = self._open.get(place)
        if held is not None and held.waiting.get(offset) is answer:
            del held.waiting[offset], held.rows[offset]
            if not held.waiting:
                del self._open[place]

    def _close_passed(self, origin: Origin, place: _Place) -> None:
        """Close the ranges of this partition that no further record of the log falls into."""
        start, size = place[2], self._options.records_per_file
        reached = start + size if origin.offset == start + size - 1 else start
        newest = self._newest[place[:2]] = max(self._newest.get(place[:2], 0), reached)
        passed = [one for one in self._open if one[:2] == place[:2] and one[2] < newest]
        for one in passed:
            if not self._open[one].late:
                self._close(one)

    def _close(self, place: _Place) -> None:
        held = self._open.pop(place, None)
        if held is not None:
            task = asyncio.get_running_loop().create_task(self._finish(held))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _finish(self, held: _Range) -> None:
        """Write a closed range, and finish its events; what cannot be written now is put off, all of it."""
        said: Signal | None = None
        try:
            await self._write(held)
        except Exception as error:  # whatever the place for files says
            log.exception("cannot write %s", held.name)
            said = Defer(f"cannot write {held.name}: {error}", after=_AGAIN)
        for answer in held.waiting.values():
            if not answer.done():
                answer.set_result(said)

    async def _write(self, held: _Range) -> None:
        async with held.writing:
            held.dirty = False
            await asyncio.to_thread(self._merge, held.name, dict(held.rows))

    def _merge(self, name: str, rows: dict[int, dict[str, Any]]) -> None:
        """Over what the file holds: a retried event comes alone, and a former owner may still be writing."""
        there = self._store.load(name)
        found = {row["offset"]: row for row in file_rows.decode(self._options.format, there)} if there else {}
        found.update(rows)
        whole = [found[offset] for offset in sorted(found)]
        self._store.write(name, file_rows.encode(self._options.format, whole))

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._options.max_wait)
            for held in [one for one in self._open.values() if one.dirty]:
                try:
                    await self._write(held)
                except Exception:
                    held.dirty = True
                    log.exception("cannot write %s; it is tried again", held.name)


def _row(event: AnyEvent, origin: Origin) -> dict[str, Any]:
    key = event.key
    return {
        "offset": origin.offset,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "key": key.decode(errors="replace") if isinstance(key, bytes) else key,
        "time": event.time.isoformat(),
        "data": event.data,
    }
