"""Which offsets of one partition may be committed: the frontier, and what is finished above it.

Only offsets that were received are tracked. Gaps (compaction, transaction markers) are normal and need no entry:
the frontier is the lowest received offset that is not finished, or the next to be received.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from penstock.broker.progress import runs_of
from penstock.record import Record


class OffsetTracker:
    """The progress of one partition in one assignment. Offsets are begun in ascending order, finished in any."""

    __slots__ = ("_already", "_top", "_unfinished", "position")

    def __init__(self, start: int, finished: Iterable[int] = ()) -> None:
        """Begin at `start`; `finished` are offsets above it that an earlier owner finished (from the commit)."""
        self.position = start  # next offset to be received
        self._unfinished: dict[int, None] = {}  # ascending, since offsets are begun in order
        self._already = set(finished)
        self._top = max(self._already, default=start - 1) + 1  # one above the highest finished

    def begin(self, offset: int) -> bool:
        """Take in a received offset. False where it must not run: seen before, or finished by an earlier owner."""
        if offset < self.position:
            return False
        self.position = offset + 1
        if self._already and offset in self._already:
            self._already.discard(offset)
            return False
        self._unfinished[offset] = None
        return True

    def begin_all(self, records: Sequence[Record]) -> Sequence[Record]:
        """`begin` for records in ascending order, at least one; returns those that must run."""
        if self._already or records[0].offset < self.position:
            return [record for record in records if self.begin(record.offset)]
        unfinished = self._unfinished
        for record in records:
            unfinished[record.offset] = None
        self.position = records[-1].offset + 1
        return records

    def finish(self, offsets: Sequence[int]) -> None:
        """Mark as finished, at least one. Raises KeyError for one that is not unfinished: that would be a bug."""
        unfinished = self._unfinished
        for offset in offsets:
            del unfinished[offset]
        self._top = max(self._top, max(offsets) + 1)

    def skip_to(self, offset: int) -> None:
        """Nothing below `offset` will be received any more (retention, operator); what runs stays unfinished."""
        if offset > self.position:
            self.position = offset
            self._already = {one for one in self._already if one >= offset}

    @property
    def frontier(self) -> int:
        """The offset below which everything is finished: what may be committed."""
        return next(iter(self._unfinished), self.position)

    @property
    def top(self) -> int:
        """One above the highest finished offset; the start where none is."""
        return self._top

    @property
    def unfinished(self) -> int:
        """Records received and not finished."""
        return len(self._unfinished)

    @property
    def finished_above(self) -> int:
        """Offsets above the frontier that are finished, gaps counted with them."""
        return sum(finished for _, finished in self.runs())

    def runs(self) -> tuple[tuple[int, int], ...]:
        """(unfinished, finished) pairs upward from the frontier, as they travel in the commit."""
        frontier = self.frontier
        top = max(self._top, max(self._already) + 1) if self._already else self._top
        if top <= frontier:
            return ()
        return runs_of(frontier, self._holes(top), top)

    def _holes(self, top: int) -> Iterator[int]:
        if not self._already:
            return iter(self._unfinished)
        unread = (offset for offset in range(self.position, top) if offset not in self._already)
        return chain(self._unfinished, unread)
