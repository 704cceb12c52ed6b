"""What became of replayed entries, by the log alone: finished, and not back as a retry or dead letter.

The record of what ran is not asked: it is best effort, and a replay may be stopped for what is said here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from penstock import headers as wire
from penstock.broker import progress
from penstock.broker.contract import Broker
from penstock.clock import Clock
from penstock.dead_letter.handled import Follower
from penstock.record import Position, Record, TopicPartition
from penstock.topology.derived import dead_letter_topic, replay_topic, retry_prefix

_LOOK_EVERY: Final = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of the entries replayed so far: how many went well, failed (a retry counts), and have not ended."""

    well: int
    failed: int
    open: int

    @property
    def rate(self) -> float:
        """The share that failed of those that ended; 0 where none has."""
        ended = self.well + self.failed
        return self.failed / ended if ended else 0.0


class Watch:
    """Follows one replay. `begin` before anything is written."""

    def __init__(self, broker: Broker, group_id: str, replay_id: str, clock: Clock) -> None:
        self._broker = broker
        self._group_id = group_id
        self._replay_id = replay_id
        self._clock = clock
        self._followers: dict[str, Follower] = {}
        self._replayed: dict[Position, str] = {}  # where our records stand, and their runs
        self._failed: set[str] = set()
        self._deferred: set[str] = set()

    async def begin(self) -> None:
        """From now on. Raises TopicMissing."""
        for topic in await self._topics():
            follower = self._followers[topic] = Follower(self._broker, topic)
            await follower.skip()

    async def look(self) -> Verdict:
        """How it stands now."""
        replays = replay_topic(self._group_id)
        for topic in await self._topics():
            follower = self._followers.setdefault(topic, Follower(self._broker, topic))
            async for record in follower.fresh():
                if topic == replays:
                    self._take_replayed(record)
                else:
                    self._take_back(record, dead=topic == dead_letter_topic(self._group_id))
        finished = await self._finished()
        runs = set(self._replayed.values())
        failed = self._failed & runs
        well = {self._replayed[at] for at in finished} - failed - self._deferred
        return Verdict(len(well), len(failed), len(runs - failed - well))

    async def ended(self, patience: float) -> Verdict:
        """Wait until all that was replayed has ended, `patience` seconds at most."""
        deadline = self._clock.monotonic() + patience
        while True:
            verdict = await self.look()
            if not verdict.open or self._clock.monotonic() >= deadline:
                return verdict
            await asyncio.sleep(_LOOK_EVERY)

    async def _topics(self) -> list[str]:
        everything = await self._broker.admin().topics()
        retries = [name for name in everything if name.startswith(retry_prefix(self._group_id))]
        return [replay_topic(self._group_id), dead_letter_topic(self._group_id), *retries]

    def _take_replayed(self, record: Record) -> None:
        if wire.text(record.headers, wire.REPLAY_ID) == self._replay_id:
            self._replayed[record.position] = wire.text(record.headers, wire.RUN_ID) or str(record.position)

    def _take_back(self, record: Record, *, dead: bool) -> None:
        """A run that came back: as a dead letter or after an attempt it has failed, put off without one it has not."""
        run = wire.text(record.headers, wire.RUN_ID)
        if run is None or wire.text(record.headers, wire.REPLAY_ID) not in (self._replay_id, None):
            return
        if dead or wire.number(record.headers, wire.ATTEMPT):
            self._failed.add(run)
        else:
            self._deferred.add(run)

    async def _finished(self) -> set[Position]:
        """Which of our records the group has finished."""
        committed = await self._broker.admin().committed(self._group_id)
        above: dict[TopicPartition, set[int]] = {}
        found = set()
        for at in self._replayed:
            where = at.source
            commit = committed.get(where)
            if commit is None:
                continue
            if where not in above:
                said = progress.decode(commit.metadata)
                top = max(one.offset for one in self._replayed if (one.topic, one.partition) == where) + 1
                above[where] = said.finished(commit.offset, top + progress.METADATA_LIMIT * 8) if said else set()
            if at.offset < commit.offset or at.offset in above[where]:
                found.add(at)
        return found
