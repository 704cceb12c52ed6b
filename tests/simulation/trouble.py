"""Faults carried out: what befalls the workers, the broker and the clock, one method for each kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from penstock.broker.in_memory import InMemoryBroker
from penstock.record import Outgoing, TopicPartition
from penstock.testing.virtual_time import VirtualClock
from tests.simulation.checker import GROUP, SOURCE, Checker, story_id
from tests.simulation.faults import Weather
from tests.simulation.ledger import Ledger, Life
from tests.simulation.world import Fault, Plan, Sending, Step


class Trouble:
    """The part of the world that makes trouble."""

    plan: Plan
    clock: VirtualClock
    ledger: Ledger
    checker: Checker
    weather: Weather
    broker: InMemoryBroker
    wanted: int
    kill: Callable[[Life], None]
    start: Callable[[], Any]
    _alive: Callable[[], list[Life]]

    def _commit_trouble(self, client: str) -> None:
        for life in self.ledger.lives:
            if life.name == client:
                life.trouble_at = self.clock.monotonic()

    def _produce_trouble(self, client: str, record: Outgoing, outcome: Any) -> None:
        self.checker.produce_trouble(record, outcome)
        if outcome.value == "fatal":
            for life in self.ledger.lives:
                life.fenced = life.fenced or life.name == client
        self.ledger.note(self.clock.monotonic(), "produce", outcome.value, story_id(record), record.topic)

    async def _befall(self, fault: Fault) -> None:
        self.ledger.note(self.clock.monotonic(), "fault", fault)
        await getattr(self, f"_befall_{fault.kind}")(fault)

    def _victim(self, fault: Fault) -> Life | None:
        alive = [life for life in self._alive() if not life.stopping]
        return alive[fault.who % len(alive)] if alive else None

    async def _befall_crash(self, fault: Fault) -> None:
        if life := self._victim(fault):
            self.kill(life)

    async def _befall_expire(self, fault: Fault) -> None:
        if (life := self._victim(fault)) and life.worker.joined:
            self.broker.expire(life.member)

    async def _befall_stop(self, fault: Fault) -> None:
        if life := self._victim(fault):
            life.stopping = True
            life.worker.stop()

    async def _befall_stop_hard(self, fault: Fault) -> None:
        if life := self._victim(fault):
            life.stopping = True
            life.hurried = True
            life.worker.stop()
            life.worker.stop()

    async def _befall_scale(self, fault: Fault) -> None:
        self.wanted = int(fault.amount)
        for life in self._alive()[self.wanted :]:
            if not life.stopping:
                life.stopping = True
                life.worker.stop()

    async def _window(self, fault: Fault) -> None:
        self.weather.begin(fault)
        await asyncio.sleep(fault.lasts)
        self.weather.end(fault)

    _befall_commits = _befall_produces = _befall_fetches = _window

    async def _befall_silence(self, fault: Fault) -> None:
        if life := self._victim(fault):
            self.weather.hush(life.name)
            await asyncio.sleep(fault.lasts)
            self.weather.unhush(life.name)

    def _partition(self, fault: Fault) -> TopicPartition:
        topics = [one for one in self._read_topics() if fault.topic in one.name and (fault.topic or one.name == SOURCE)]
        topic = topics[fault.who % len(topics)] if topics else self.broker._log.topic(SOURCE)
        return TopicPartition(topic.name, fault.who % len(topic.partitions))

    async def _befall_gap(self, fault: Fault) -> None:
        self.broker.skip_offsets(self._partition(fault), int(fault.amount))

    async def _befall_truncate(self, fault: Fault) -> None:
        at = self._partition(fault)
        partition = self.broker._log.existing(at)
        before = partition.low + round((partition.high - partition.low) * fault.amount)
        for record in partition.records:
            occurrence = self.ledger.occurrences[record.position]
            if record.offset < before and not occurrence.is_finished:
                first = self.checker.first_starts.get(at)
                unread = first is None or record.offset < first
                occurrence.event.excused = occurrence.event.excused or ("never begun" if unread else "truncated")
        self.ledger.disturbed.add(at)
        self.broker.truncate(at, before)

    async def _befall_reset(self, fault: Fault) -> None:
        """All workers stop, an operator sets an offset, they start again."""
        kept, self.wanted = self.wanted, 0
        for life in self._alive():
            if not life.stopping:
                life.stopping = True
                life.worker.stop()
        group = self.broker._coordinator.group(GROUP)
        while group.has_members or self._alive():
            await asyncio.sleep(0.2)
        at = self._partition(fault)
        partition = self.broker._log.existing(at)
        to = partition.low + round((partition.high - partition.low) * fault.amount)
        for record in partition.records:
            story = self.ledger.occurrences[record.position].event
            story.touched = story.touched or "reset"
            if record.offset < to and not self.ledger.occurrences[record.position].is_finished:
                story.excused = story.excused or "skipped by an operator"
        for occurrence in self.ledger.occurrences.values():
            if occurrence.source == at and occurrence.event.excused == "truncated":
                occurrence.event.excused = "skipped by an operator"  # past what retention took: nobody can count it
        self.ledger.disturbed.add(at)
        await self.broker.admin().alter_committed(GROUP, {at: to})
        self.wanted = max(self.wanted, kept)

    async def _befall_add_partition(self, fault: Fault) -> None:
        added = len(self.broker._log.topic(SOURCE).partitions)
        await self.broker.admin().add_partitions(SOURCE, added + 1)
        self.send(Sending(0, "first", (Step("ok"),)), added)  # before anyone has been given it

    async def _befall_clock(self, fault: Fault) -> None:
        self.clock.skew += fault.amount
