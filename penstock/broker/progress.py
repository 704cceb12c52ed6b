"""What travels in the commit metadata: which offsets above the frontier are finished, and who died holding them.

Layout, base64 of: magic, version, CRC-32 of the rest, zlib of varints (flags by position):
`topic id length, topic id, born, unclean, suspect, pairs, (unfinished run, finished run) …, ahead`, the
runs counted upward from the frontier. Everything above the last finished run is unread; older texts have no `ahead`.
A damaged or foreign text is no map: work is repeated then, never skipped. Runs are capped by the log end when read
(confluentinc/parallel-consumer forks once skipped records for a run that reached past it).
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"ps"
VERSION: Final = 1
METADATA_LIMIT: Final = 4096  # characters, the broker's default offset.metadata.max.bytes
BRAKE: Final = METADATA_LIMIT * 3 // 4  # above this the partition takes no more
_MOST_BYTES: Final = 1 << 20
_MOST_BITS: Final = 70  # ten varint bytes: any 64-bit number


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one partition beside its committed offset.

    `runs` are pairs (unfinished, finished) of offset counts upward from the frontier. `born` is how many partitions
    the topic had when the group first read it (0: not known). `unclean` counts the owners that have not handed over,
    the writer included; `ahead` is how many offsets from the frontier on had started, or may hold what killed them
    (None: not known); `suspect` is the offset that ran when this was written, nothing else of its partition beside it;
    `alone`: nothing else in its whole process. On the wire it is 0, or 1 + twice the offset, one more where alone.
    """

    topic_id: str = ""
    born: int = 0
    unclean: int = 0
    suspect: int | None = None
    alone: bool = False
    runs: tuple[tuple[int, int], ...] = ()
    ahead: int | None = None

    def finished(self, frontier: int, end: int) -> set[int]:
        """The offsets above `frontier` that are finished, none at or past `end`. Empty where the map cannot be true."""
        found: set[int] = set()
        at = frontier
        for unfinished, finished in self.runs:
            at += unfinished
            if at + finished > end:
                return set()
            found.update(range(at, at + finished))
            at += finished
        return found


def runs_of(frontier: int, unfinished: Iterable[int], top: int) -> tuple[tuple[int, int], ...]:
    """The (unfinished, finished) pairs of [frontier, top): `unfinished` ascending, `top` above the highest finished."""
    pairs: list[tuple[int, int]] = []
    hole_start = at = frontier
    for offset in unfinished:
        if offset >= top:
            break
        if offset > at:
            pairs.append((at - hole_start, offset - at))
            hole_start = offset
        at = offset + 1
    if top > at:
        pairs.append((at - hole_start, top - at))
    return tuple(pairs)


def encode(progress: Progress) -> str:
    """The metadata text; '' where there is nothing to say."""
    if progress == Progress():
        return ""
    topic_id = progress.topic_id.encode()
    suspect = 0 if progress.suspect is None else 1 + 2 * progress.suspect + progress.alone
    numbers = [progress.born, progress.unclean, suspect, len(progress.runs)]
    for pair in progress.runs:
        numbers.extend(pair)
    numbers.append(0 if progress.ahead is None else 1 + progress.ahead)
    body = zlib.compress(_varints([len(topic_id)]) + topic_id + _varints(numbers), 6)
    return base64.b64encode(MAGIC + bytes([VERSION]) + zlib.crc32(body).to_bytes(4, "big") + body).decode()


def decode(text: str) -> Progress | None:
    """What `encode` wrote; None for anything else, whatever it is."""
    try:
        raw = base64.b64decode(text.encode(), validate=True)
        if raw[:2] != MAGIC or raw[2:3] != bytes([VERSION]) or zlib.crc32(raw[7:]).to_bytes(4, "big") != raw[3:7]:
            return None
        body = zlib.decompressobj().decompress(raw[7:], _MOST_BYTES)
        return _read(body)
    except (ValueError, binascii.Error, zlib.error, StopIteration, IndexError):
        return None


def _read(body: bytes) -> Progress:
    length = next(_numbers(body))
    at = len(_varints([length]))
    topic_id = body[at : at + length].decode()
    numbers = _numbers(body[at + length :])
    # lists, not generators: these would turn the end of the numbers into a RuntimeError
    born, unclean, suspect, count = [next(numbers) for _ in range(4)]
    runs = [(next(numbers), next(numbers)) for _ in range(count)]
    offset, alone = divmod(suspect - 1, 2) if suspect else (None, False)
    ahead = next(numbers, 0) - 1
    return Progress(topic_id, born, unclean, offset, bool(alone), tuple(runs), ahead if ahead >= 0 else None)


def _varints(numbers: Iterable[int]) -> bytes:
    out = bytearray()
    for value in numbers:
        rest = value
        while rest > 127:
            out.append(rest & 127 | 128)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _numbers(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if shift > _MOST_BITS:
            raise ValueError("a number without an end")
        if byte < 128:
            yield value
            value = shift = 0
