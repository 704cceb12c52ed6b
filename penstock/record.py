"""What the log holds: records and where they stand. The words everything else is said in."""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def source(self) -> TopicPartition:
        """The partition it stands in."""
        return TopicPartition(self.topic, self.partition)

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
    """One record as the log holds it: bytes, never decoded here. Treat it as immutable.

    `source` is the partition it stands in; a `value` of None is a tombstone. A broker may have a kind of its own that
    reads timestamp and headers only when asked.
    """

    __slots__ = ("_headers", "_timestamp", "key", "offset", "source", "value")

    def __init__(
        self,
        topic: str,
        partition: int,
        offset: int,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
    ) -> None:
        self.source = TopicPartition(topic, partition)
        self.offset = offset
        self.key = key
        self.value = value
        self._timestamp = timestamp
        self._headers = headers

    @property
    def topic(self) -> str:
        """Where it stands: the topic."""
        return self.source.topic

    @property
    def partition(self) -> int:
        """Where it stands: the number of the partition."""
        return self.source.partition

    @property
    def timestamp(self) -> int:
        """When it was written, in epoch milliseconds."""
        return self._timestamp

    @property
    def headers(self) -> Headers:
        """The header pairs in their order, duplicates and null values kept."""
        return self._headers

    @property
    def position(self) -> Position:
        """Topic, partition and offset."""
        return Position(*self.source, self.offset)

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


class Outgoing(NamedTuple):
    """A record to be appended. `partition` None lets the partitioner (murmur2_random) choose by key.

    A tuple: one is made for each output, and a frozen dataclass costs three times as much.
    """

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
