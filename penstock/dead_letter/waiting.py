"""How many dead letters still wait: what stands in the topic, less what was replayed or discarded since."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.dead_letter.handled import Follower
from penstock.dead_letter.ranges import spanning, whole
from penstock.errors import TopicMissing
from penstock.record import Position, TopicPartition, parse_position
from penstock.topology.derived import dead_letter_topic, replay_topic


@dataclass(frozen=True, slots=True)
class LetterCount:
    """Of one group: `waiting` may still be replayed or discarded, `kept` is all that stands in the topic."""

    waiting: int = 0
    kept: int = 0


class LetterCounts:
    """The counts of all groups of one broker. What was read once is not read again at the next look."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._groups: dict[str, _Group] = {}

    async def of(self, group_id: str, *, replayable: bool = True) -> LetterCount:
        """As of now; nothing where there is no such topic. `replayable` False: a source's, of which all waits."""
        group = self._groups.setdefault(group_id, _Group(self._broker, group_id))
        try:
            return await group.count(replayable=replayable)
        except TopicMissing:
            return LetterCount()


class _Group:
    """Notes of the replay topic, each held against the entry it names: an old note must not hide a new entry."""

    def __init__(self, broker: Broker, group_id: str) -> None:
        self._broker = broker
        self._topic = dead_letter_topic(group_id)
        self._replay = replay_topic(group_id)
        self._one = asyncio.Lock()
        self._begin()

    def _begin(self) -> None:
        self._notes = Follower(self._broker, self._replay)
        self._settled: set[Position] = set()
        self._ends: dict[TopicPartition, int] = {}

    async def count(self, *, replayable: bool) -> LetterCount:
        async with self._one:
            there = await whole(self._broker.admin(), self._topic)
            kept = sum(high - low for low, high in there.values())
            if any(high < self._ends.get(at, 0) for at, (_, high) in there.items()):
                self._begin()  # the topic was made anew
            self._ends = {at: high for at, (_, high) in there.items()}
            if replayable:
                self._settled |= await self._confirmed(await self._fresh())
            lows = {at: low for at, (low, _) in there.items()}
            self._settled = {one for one in self._settled if one.offset >= lows.get(one.source, 0)}
            return LetterCount(kept - len(self._settled), kept)

    async def _fresh(self) -> dict[Position, set[str | None]]:
        """The entries that new notes name, with the run ids they name. Empty where there is no replay topic."""
        found: dict[Position, set[str | None]] = {}
        try:
            async for record in self._notes.fresh():
                position = parse_position(wire.text(record.headers, wire.DLT_POSITION) or "")
                if position is not None and position not in self._settled:
                    found.setdefault(position, set()).add(wire.text(record.headers, wire.RUN_ID))
        except TopicMissing:
            return {}
        return found

    async def _confirmed(self, notes: dict[Position, set[str | None]]) -> set[Position]:
        """Those of the noted entries that are still there, and of the same run."""
        noted = spanning(notes)
        ranges = {at: (first, min(last, self._ends[at])) for at, (first, last) in noted.items() if at in self._ends}
        wanted = {at: bounds for at, bounds in ranges.items() if bounds[0] < bounds[1]}
        if not wanted:
            return set()
        async with aclosing(self._broker.reader().scan(wanted)) as records:
            return {
                record.position
                async for record in records
                if wire.text(record.headers, wire.RUN_ID) in notes.get(record.position, ())
            }
