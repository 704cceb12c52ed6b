"""One member of one consumer group on Kafka, as the engine knows it: one seat in the group, or two.

Under the classic protocol `cooperative-sticky` evens out the sum of all topics and moves the first in the alphabet
first: a second worker could get retry partitions only, which are mostly empty. So a worker takes two seats there, one
for its sources and one for the group's own topics, and each kind is spread by itself (docs/decisions/0008).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from penstock.broker.contract import Commit, GroupListener, GroupSettings
from penstock.broker.kafka.protocol import CLASSIC, Choice, GroupFacts, choose, read_facts
from penstock.broker.kafka.questions import Questions
from penstock.broker.kafka.seat import Seat
from penstock.broker.kafka.settings import LOGGER, OWN_SEAT
from penstock.record import Record, TopicPartition

_log: Final = logging.getLogger(LOGGER)
_INSTANCE: Final = "group.instance.id"
T = TypeVar("T")


class KafkaMember:
    """A group member. One join and one leave each; everything is called on one loop."""

    def __init__(self, settings: Mapping[str, str], group: GroupSettings, questions: Questions) -> None:
        self._settings = settings
        self._group = group
        self._questions = questions
        self._choice = Choice("", "The member has not joined yet.")
        self._seats = [Seat(settings, group, questions)]  # of the sources, or of everything; then of the own topics
        self._demanded = 0

    @property
    def protocol(self) -> str:
        """`consumer` or `classic`; '' before `join`."""
        return self._choice.protocol

    @property
    def protocol_reason(self) -> str:
        """Why that protocol, as a sentence."""
        return self._choice.reason

    @property
    def last_polled(self) -> float:
        """When the client was last served, by time.monotonic(); for liveness."""
        return min(seat.last_polled for seat in self._seats)

    @property
    def alive(self) -> bool:
        """Whether the poll threads run and have not failed."""
        return all(seat.alive for seat in self._seats)

    @property
    def stale(self) -> int:
        """Messages thrown away because they were of an assignment that had ended."""
        return sum(seat.stale for seat in self._seats)

    async def join(self, topics: Collection[str], listener: GroupListener) -> None:
        """Choose the protocol, subscribe, start to poll. Raises BrokerError, BrokerUnavailable."""
        self._choice = await asyncio.to_thread(self._choose)
        _log.info("group %s: %s protocol. %s", self._group.group_id, self._choice.protocol, self._choice.reason)
        own = [topic for topic in topics if self._group.is_own(topic)]
        if self._choice.protocol == CLASSIC and 0 < len(own) < len(topics):
            self._seats.append(Seat(*_of_own_seat(self._settings, self._group), self._questions))
        if len(self._seats) == 1:
            self._seats[0].join(self._choice.protocol, topics, listener)
            return
        self.demand(self._demanded)
        for seat, wanted in self._split(topics, lambda topic: topic):
            seat.join(self._choice.protocol, wanted, _Shared(listener, self._delivered))

    def subscribe(self, topics: Collection[str]) -> None:
        """Replace the subscription."""
        for seat, wanted in self._split(topics, lambda topic: topic):
            seat.subscribe(wanted)

    def demand(self, records: int) -> None:
        """How many more records may be delivered from now on."""
        self._demanded = records
        for seat in self._seats:
            seat.demand(records)

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver nothing of these until resumed; those not assigned are remembered until they are revoked."""
        for seat, mine in self._split(partitions, _topic):
            seat.pause(mine)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver again, right after the last record delivered."""
        for seat, mine in self._split(partitions, _topic):
            seat.resume(mine)

    async def commit(self, commits: Sequence[Commit]) -> Mapping[TopicPartition, str]:
        """Commit once; what was refused, and why. Raises BrokerUnavailable without an answer."""
        if len(self._seats) == 1:
            return await self._seats[0].commit(commits)
        asked = [seat.commit(mine) for seat, mine in self._split(commits, lambda one: one.partition.topic)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused: dict[TopicPartition, str] = {}
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            refused.update(answer)
        return refused

    def ends(self) -> Mapping[TopicPartition, int]:
        """The log ends as last heard."""
        return {one: end for seat in self._seats for one, end in seat.ends().items()}

    def problem(self) -> str:
        """See the contract."""
        return next((problem for seat in self._seats if (problem := seat.problem())), "")

    async def leave(self) -> None:
        """Hand over and leave the group. Bounded, idempotent."""
        await asyncio.gather(*(seat.leave() for seat in self._seats))

    def _choose(self) -> Choice:
        explicit = self._group.settings.get("group.protocol", "") or self._settings.get("group.protocol", "")
        facts = GroupFacts() if explicit else read_facts(self._questions, self._group.group_id)
        return choose(explicit, facts, self._group.failover)

    def _split(self, things: Iterable[T], topic_of: Callable[[T], str]) -> list[tuple[Seat, list[T]]]:
        """What concerns which seat."""
        found: list[tuple[Seat, list[T]]] = [(seat, []) for seat in self._seats]
        for thing in things:
            found[-1 if self._group.is_own(topic_of(thing)) else 0][1].append(thing)
        return found

    def _delivered(self, records: int) -> None:
        self.demand(self._demanded - records)


class _Shared:
    """The engine's listener behind one of two seats: what one delivers, the other may no longer."""

    def __init__(self, listener: GroupListener, delivered: Callable[[int], None]) -> None:
        self._delivered = delivered
        self._received = listener.received
        self.assigned = listener.assigned
        self.revoked = listener.revoked
        self.lost = listener.lost
        self.truncated = listener.truncated
        self.disturbed = listener.disturbed
        self.failed = listener.failed

    def received(self, records: Sequence[Record]) -> None:
        """See GroupListener."""
        self._delivered(len(records))
        self._received(records)


def _of_own_seat(settings: Mapping[str, str], group: GroupSettings) -> tuple[Mapping[str, str], GroupSettings]:
    """The settings of the second seat: the same under another name, since a static member's name is one member's."""
    named = {**settings, **group.settings}
    if name := named.get(_INSTANCE):
        named[_INSTANCE] = name + OWN_SEAT
    return named, replace(group, client_id=group.client_id + OWN_SEAT, settings={})


def _topic(partition: TopicPartition) -> str:
    return partition.topic
