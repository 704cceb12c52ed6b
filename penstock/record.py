"""What the log holds: records and where they stand. The words everything else is said in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Header: TypeAlias = tuple[str, bytes | None]
Headers: TypeAlias = Sequence[Header]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Position(NamedTuple):
    """Where one record stands in the log."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


def parse_position(text: str) -> Position | None:
    """The position that `str(position)` wrote, `topic/partition@offset`; None for anything else."""
    topic, slash, place = text.rpartition("/")
    partition, at, offset = place.partition("@")
    numbers = partition + offset
    if not (topic and slash and at and partition and offset and numbers.isascii() and numbers.isdigit()):
        return None
    return Position(topic, int(partition), int(offset))


class Record:
    """One record as the log holds it: bytes, never decoded here.

    `timestamp` is epoch milliseconds (time of writing); a `value` of None is a tombstone. Headers are opened
    when first asked for, since most records are handled without all of them: `headers` may be given as the
    pairs themselves or as a function that returns them. Treat a record as immutable.
    """

    __slots__ = ("_headers", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(
        self,
        topic: str,
        partition: int,
        offset: int,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | Callable[[], Headers | None] = (),
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self._headers = headers

    @property
    def headers(self) -> Headers:
        """The header pairs in their order, duplicates and null values kept."""
        found = self._headers
        if callable(found):
            found = self._headers = found() or ()
        return found

    @property
    def position(self) -> Position:
        """Topic, partition and offset."""
        return Position(self.topic, self.partition, self.offset)

    @property
    def source(self) -> TopicPartition:
        """The partition this record stands in."""
        return TopicPartition(self.topic, self.partition)

    @property
    def size(self) -> int:
        """Bytes of key and value; headers are not counted (they are not opened for that)."""
        return len(self.key or b"") + len(self.value or b"")

    def header(self, name: str) -> bytes | None:
        """The last value of header `name`, or None."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None

    def __repr__(self) -> str:
        return f"<Record {self.position} key={self.key!r} {len(self.value or b'')} bytes>"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be appended. `partition` None lets the partitioner (murmur2_random) choose by key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None

    @property
    def size(self) -> int:
        """Bytes of key, value and headers, near enough to what the broker counts."""
        carried = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + carried
