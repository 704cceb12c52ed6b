"""Reads the record of what ran: the newest attempts that filters mean, in memory that does not grow with the log."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from penstock.broker.contract import Broker
from penstock.errors import TopicMissing
from penstock.record import Record, TopicPartition
from penstock.runs import fields
from penstock.runs.decoding import RanAttempt, opened, ran_attempt
from penstock.topology.derived import runs_topic
from penstock.topology.model import Topology

_Raw = tuple[Mapping[str, Any], Mapping[str, Any]]  # head of a batch, one attempt of it
Match = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]
Ranges = Mapping[TopicPartition, tuple[int, int]]
_PORTION: Final = 32  # records of each partition that are read first; then so many times as many
_GROWS: Final = 8
_SET_BACK: Final = 1000  # ms
FAILED: Final = frozenset({"retried", "dead_lettered"})


@dataclass(frozen=True, slots=True)
class RunFilters:
    """Which attempts are meant; None asks for nothing. `since` and `until` bound the start, in epoch ms.

    `id` is a run id, an event id or a correlation id. `slowest` sorts by run time instead of by start.
    """

    failed: bool = False
    outcome: str | None = None
    processor: str | None = None
    key: str | None = None
    type: str | None = None
    fingerprint: str | None = None
    since: int | None = None
    until: int | None = None
    id: str | None = None
    slowest: bool = False
    limit: int = 100

    def match(self, head: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
        """Whether an attempt, as it stands in its batch, is meant."""
        get = found.get
        return (
            (not self.failed or get(fields.OUTCOME) in FAILED)
            and self.outcome in {None, get(fields.OUTCOME)}
            and self.processor in {None, head.get(fields.PROCESSOR)}
            and self.key in {None, get(fields.KEY)}
            and self.type in {None, get(fields.TYPE)}
            and (self.fingerprint is None or self.fingerprint == get(fields.ERROR, {}).get("fingerprint"))
            and (self.since is None or get(fields.STARTED, 0) >= self.since)
            and (self.until is None or get(fields.STARTED, 0) < self.until)
            and (self.id is None or self.id in (get(fields.RUN), get(fields.EVENT), get(fields.CORRELATION)))
        )


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """`attempts`, newest first (or slowest); `matched` counts all that were meant, `read` all that were looked at.

    `unreadable` are batches that are none, or were written by another version of penstock. `complete` False: older ones
    were not looked at, since enough newer ones are listed.
    """

    attempts: tuple[RanAttempt, ...]
    matched: int
    read: int
    unreadable: int
    complete: bool


@dataclass
class Scan:
    """What a scan saw beside the attempts it gave."""

    read: int = 0
    unreadable: int = 0
    matched: int = field(default=0)


async def list_runs(topology: Topology, broker: Broker, filters: RunFilters) -> FoundRuns:
    """The newest attempts that are meant, `filters.limit` at most. Raises TopicMissing, BrokerUnavailable.

    Read from the end, until there are enough and nothing older can be newer than they: an attempt stands in a record
    that was written after its start. The slowest may stand anywhere, so for them all is read.
    """
    unread = await stretch(topology, broker, filters.since)
    kept, portion = _Kept(filters), None if filters.slowest else _PORTION
    while unread:
        newest = {
            at: (low if portion is None else max(low, high - portion), high) for at, (low, high) in unread.items()
        }
        await kept.take(broker, newest)
        unread = {at: (low, newest[at][0]) for at, (low, _) in unread.items() if low < newest[at][0]}
        if unread and kept.full:
            starts = await broker.admin().offsets_at(list(unread), kept.oldest)
            rest = {at: (max(low, min(starts.get(at, low), high)), high) for at, (low, high) in unread.items()}
            await kept.take(broker, rest)
            return kept.found(complete=all(rest[at][0] == low for at, (low, _) in unread.items()))
        portion = portion and portion * _GROWS
    return kept.found(complete=True)


class _Kept:
    """The attempts to be listed, as far as was read: never more than asked for."""

    def __init__(self, filters: RunFilters) -> None:
        self._filters = filters
        self._needles = [part for part in (filters.id, filters.fingerprint) if part]
        self._by = fields.RAN if filters.slowest else fields.STARTED
        self._order = itertools.count()
        self._scan = Scan()
        self._heap: list[tuple[float, int, _Raw]] = []

    @property
    def full(self) -> bool:
        """Whether there are as many as asked for."""
        return len(self._heap) >= self._filters.limit

    @property
    def oldest(self) -> int:
        """When the oldest of them began, epoch ms; a little earlier, for a clock that was set back meanwhile."""
        return int(self._heap[0][0]) - _SET_BACK

    async def take(self, broker: Broker, ranges: Ranges) -> None:
        """Read on. Attempts are made into values at the end: of a million only a few are kept."""
        found = _scan(broker, ranges, self._filters.match, self._needles, self._scan)
        async with aclosing(found) as attempts:
            async for raw in attempts:
                entry = (raw[1].get(self._by, 0), next(self._order), raw)
                if self.full:
                    heapq.heappushpop(self._heap, entry)
                else:
                    heapq.heappush(self._heap, entry)

    def found(self, *, complete: bool) -> FoundRuns:
        """What is listed."""
        entries = sorted(self._heap, key=lambda entry: entry[:2], reverse=True)
        attempts = tuple(ran_attempt(*raw) for _, _, raw in entries)
        return FoundRuns(attempts, self._scan.matched, self._scan.read, self._scan.unreadable, complete)


async def scan_runs(
    topology: Topology,
    broker: Broker,
    match: Match,
    *,
    since: int | None = None,
    needles: Collection[str] = (),
    scan: Scan | None = None,
) -> AsyncGenerator[RanAttempt, None]:
    """Every attempt that `match` (head of the batch, attempt) means, of what is there now, in no particular order.

    `needles` are texts of which one stands in whatever is meant: batches with none of them are not even opened.
    """
    ranges = await stretch(topology, broker, since)
    async with aclosing(_scan(broker, ranges, match, needles, scan or Scan())) as attempts:
        async for head, found in attempts:
            yield ran_attempt(head, found)


async def _scan(
    broker: Broker, ranges: Ranges, match: Match, needles: Collection[str], seen: Scan
) -> AsyncGenerator[_Raw, None]:
    wanted = [orjson.dumps(needle)[1:-1] for needle in needles]
    async with aclosing(broker.reader().scan(ranges)) as records:
        async for record in records:
            if wanted and not any(needle in (record.value or b"") for needle in wanted):
                continue
            batch = opened(record)
            if batch is None:
                seen.unreadable += 1
                continue
            head, attempts = batch
            seen.read += len(attempts)
            for found in attempts:
                if match(head, found):
                    seen.matched += 1
                    yield head, found


async def stretch(topology: Topology, broker: Broker, since: int | None) -> Ranges:
    """The part of the topic that must be read. Raises TopicMissing, in words that say why there may be none."""
    topic = runs_topic(topology.name)
    admin = broker.admin()
    described = (await admin.topics([topic])).get(topic)
    if described is None:
        why = "the topology turns it off: runs: { enabled: false }" if not topology.runs.enabled else ""
        raise TopicMissing(f"there is no record of runs: no topic {topic}", why or "`penstock apply` creates it")
    partitions = [TopicPartition(topic, number) for number in range(described.partitions)]
    ends = await admin.ends(partitions)
    starts: Mapping[TopicPartition, int] = {}
    if since is not None:  # records are written after the attempt, so its time bounds where it can stand
        starts = await admin.offsets_at(partitions, since)
    return {at: (max(starts.get(at, end.low), end.low), end.high) for at, end in ends.items()}


async def tail_runs(
    topology: Topology, broker: Broker, since: int | None = None
) -> AsyncGenerator[tuple[Record, tuple[RanAttempt, ...]], None]:
    """Attempts as their records arrive, batch by batch; never ends by itself. Raises TopicMissing.

    From `since` on (epoch ms), or from the end as it is when the reader has come so far, which takes a moment.
    """
    await stretch(topology, broker, None)
    async with aclosing(broker.reader().tail([runs_topic(topology.name)], from_time_ms=since)) as records:
        async for record in records:
            batch = opened(record)
            if batch is not None:
                head, attempts = batch
                yield record, tuple(ran_attempt(head, found) for found in attempts)
