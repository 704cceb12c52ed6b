"""The source `file_source`: files that grow, are rotated or truncated. Its cursor says how far it is in each.

A file is known by its inode and by how it begins: renamed, it is read to its end under its new name before its
successor; truncated, it is read from the start again, as a new generation.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from penstock.connectors import file_rows
from penstock.connectors.delivery import Found, Unusable, deliver_or_refuse, value_at
from penstock.connectors.file_store import FileSeen, FileStore, store_for
from penstock.contracts import Incoming, Outlet
from penstock.topology.file_options import FileSourceOptions

_BLOCK: Final = 1 << 18
_LONGEST_LINE: Final = 16 << 20
_HEAD: Final = 256  # bytes by which a file is known again


@dataclass(frozen=True)
class _Place:
    """How far one file was read: `offset` in bytes (rows, for parquet). `head` is a digest of its first `head_size`."""

    name: str
    identity: str
    offset: int = 0
    generation: int = 0
    head: str = ""
    head_size: int = 0


class FileSource:
    """Reads one file after the other, each in its order."""

    Options = FileSourceOptions

    def __init__(self, options: FileSourceOptions) -> None:
        """Raises ModuleNotFoundError where the format needs an extra."""
        if options.format == "parquet":
            import pyarrow.parquet  # noqa: F401 - looked for now, so that its absence is said at the start
        self._options = options
        self._places: list[_Place] = []

    async def run(self, outlet: Outlet) -> None:
        """See contracts.Source."""
        store, pattern = store_for(self._options.path, self._options.directory)
        kept = outlet.cursor or {"files": []}
        self._places = [_Place(**place) for place in kept["files"]]
        while not outlet.stopping.is_set():
            moved = False
            for seen in await asyncio.to_thread(self._look, store, pattern):
                while not outlet.stopping.is_set() and await self._read(store, seen, outlet):
                    moved = True
            if not moved:
                if not self._options.follow:
                    return
                await _first(outlet.stopping, self._options.poll)

    # which files ------------------------------------------------------------------------------------------------

    def _look(self, store: FileStore, pattern: str) -> list[FileSeen]:
        """The files to read now: those that were renamed away first, then those the pattern names."""
        found = store.find(pattern)
        here = {seen.identity for seen in found if seen.identity}
        names = {seen.name for seen in found}
        gone = []
        for place in self._places:
            if not place.identity or place.identity in here:
                continue
            moved = store.beside(place.name, place.identity)
            if moved is not None and self._is_same(store, place, moved):
                gone.append(moved)
                here.add(moved.identity)
        kept = [one for one in self._places if one.identity in here or (not one.identity and one.name in names)]
        self._places = kept
        return [*gone, *found]

    def _is_same(self, store: FileStore, place: _Place, seen: FileSeen) -> bool:
        """Whether the file still begins as it did; shorter than what was read of it, it was truncated."""
        if self._options.format != "parquet" and seen.size < place.offset:
            return False
        return _digest(store.read(seen.name, 0, place.head_size)) == place.head if place.head_size else True

    def _place_of(self, store: FileStore, seen: FileSeen) -> _Place:
        for index, place in enumerate(self._places):
            same = place.identity == seen.identity if seen.identity else place.name == seen.name
            if not same:
                continue
            if self._is_same(store, place, seen):
                return place
            anew = _Place(seen.name, seen.identity, generation=place.generation + 1)
            self._places[index] = anew
            return anew
        anew = _Place(seen.name, seen.identity)
        self._places.append(anew)
        return anew

    # what is in them --------------------------------------------------------------------------------------------

    async def _read(self, store: FileStore, seen: FileSeen, outlet: Outlet) -> bool:
        """Deliver the next part of a file; returns whether there was one."""
        place = await asyncio.to_thread(self._place_of, store, seen)
        take = self._take_rows if self._options.format == "parquet" else self._take_lines
        try:
            found, end = await asyncio.to_thread(take, store, seen, place)
        except FileNotFoundError:
            return False  # gone since it was seen
        if end == place.offset:
            return False
        head = place
        if place.head_size < _HEAD:
            start = await asyncio.to_thread(store.read, seen.name, 0, min(_HEAD, max(end, 1)))
            head = replace(place, head=_digest(start), head_size=len(start))
        now = replace(head, offset=end)
        self._places = [now if one is place else one for one in self._places]
        await deliver_or_refuse(outlet, found, cursor={"files": [asdict(one) for one in self._places]})
        return True

    def _take_lines(self, store: FileStore, seen: FileSeen, place: _Place) -> tuple[list[Found], int]:
        """Up to `batch_size` lines after the place, and where they end."""
        quoted = self._options.format == "csv"
        size = _BLOCK
        while True:
            block = store.read(seen.name, place.offset, size)
            at_end = len(block) < size
            last = at_end and (not self._options.follow or place.name != seen.name)  # else its line may still grow
            whole = list(_first_of(file_rows.lines(block, at_end=last, quoted=quoted), self._options.batch_size))
            if whole or at_end:
                break
            if size >= _LONGEST_LINE:
                raise ValueError(f"{seen.name}: a line longer than {_LONGEST_LINE} bytes at {place.offset}")
            size *= 4
        header = self._header(store, seen, place, whole)
        found = []
        offset = place.offset
        for line in whole:
            if line.strip() and not (quoted and offset == 0):
                found.append(self._found(place, offset, line, header))
            offset += len(line)
        return found, offset

    def _header(self, store: FileStore, seen: FileSeen, place: _Place, whole: Sequence[bytes]) -> list[str]:
        if self._options.format != "csv" or not whole:
            return []
        block = whole[0] if place.offset == 0 else store.read(seen.name, 0, _BLOCK)
        return file_rows.csv_fields(next(file_rows.lines(block, at_end=True, quoted=True)))

    def _found(self, place: _Place, offset: int, line: bytes, header: Sequence[str]) -> Found:
        id_ = _id_of(place, offset, line)
        try:
            data = file_rows.csv_row(header, line) if self._options.format == "csv" else file_rows.json_row(line)
            return self._event(data, line, id_)
        except (ValueError, Unusable) as error:
            return Found(line, id_, None, f"{place.name} at byte {offset}: {error}")

    def _event(self, data: Any, raw: bytes, id_: str) -> Found:
        options = self._options
        key = value_at(data, options.key) if options.key else None
        id_ = value_at(data, options.id) if options.id else id_
        return Found(raw, id_, Incoming(data=data, id=id_, key=key))

    def _take_rows(self, store: FileStore, seen: FileSeen, place: _Place) -> tuple[list[Found], int]:
        """The same of a parquet file, which is whole once it is there: its offset counts rows."""
        content = store.load(seen.name)
        rows = file_rows.parquet_rows(content) if content else []
        some = rows[place.offset : place.offset + self._options.batch_size]
        found = []
        for number, row in enumerate(some, place.offset):
            raw = repr(sorted(row.items())).encode()
            id_ = _id_of(place, number, raw)
            try:
                found.append(self._event(row, raw, id_))
            except Unusable as error:
                found.append(Found(raw, id_, None, f"{place.name}, row {number}: {error}"))
        return found, place.offset + len(some)


def _id_of(place: _Place, offset: int, raw: bytes) -> str:
    """The same for the same line of the same file, whoever reads it, how often, and under whatever name it stands."""
    named = f"{place.identity or place.name}\0{place.generation}\0{offset}\0".encode()
    return hashlib.blake2b(named + raw, digest_size=16).hexdigest()


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=16).hexdigest()


def _first_of(lines: Iterable[bytes], most: int) -> Iterable[bytes]:
    for count, line in enumerate(lines):
        if count >= most:
            return
        yield line


async def _first(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
