"""Offset commits, made by the poll thread, one at a time: the client lets no other thread in while it polls.

While polling they are asynchronous and their answers arrive through the poll; inside a rebalance callback nothing
is polled, so there they are synchronous, and the partitions stay ours until the answer is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from penstock.broker.contract import Commit
from penstock.broker.kafka.codes import OF_ONE_PARTITION, UNANSWERED
from penstock.broker.kafka.slots import NO_EPOCH, Slots
from penstock.errors import BrokerUnavailable
from penstock.record import TopicPartition


@dataclass(slots=True)
class Request:
    """Commits asked for together, and where the answer goes: refused partitions with their reasons."""

    commits: Sequence[Commit]
    answer: Future[Mapping[TopicPartition, str]] = field(default_factory=Future)
    one_by_one: bool = False


class Commits:
    """The queue of commit requests of one member. `ask` is called on the loop, the rest in the poll thread."""

    def __init__(self, slots: Slots, wake: Callable[[], None]) -> None:
        self._slots = slots
        self._wake = wake
        self._queue: deque[Request] = deque()
        self._flying: Request | None = None
        self._disowned = 0  # answers still to come for requests that were settled otherwise
        self._closed = ""

    @property
    def waiting(self) -> bool:
        """Whether requests wait to be sent."""
        return bool(self._queue)

    @property
    def in_flight(self) -> bool:
        """Whether an answer is awaited, which only a poll brings."""
        return self._flying is not None

    def ask(self, commits: Sequence[Commit]) -> Future[Mapping[TopicPartition, str]]:
        """Queue a commit. The answer ends with BrokerUnavailable where the broker gave none."""
        request = Request(commits)
        if self._closed:
            request.answer.set_exception(BrokerUnavailable(self._closed))
            return request.answer
        self._queue.append(request)
        self._wake()
        return request.answer

    def send(self, consumer: Consumer) -> None:
        """Send the next request, unless one is in flight."""
        if self._flying is not None or not (request := self._next()):
            return
        if request.one_by_one:
            self._commit_each(consumer, request)
            return
        try:
            consumer.commit(offsets=self._offsets(request), asynchronous=True)
            self._flying = request
        except KafkaException as error:
            _settle(request, error.args[0], ())

    def answered(self, error: KafkaError | None, partitions: Sequence[KafkaPartition]) -> None:
        """The client's `on_commit`."""
        if self._disowned:
            self._disowned -= 1
            return
        request, self._flying = self._flying, None
        if request is None:
            return
        if error is not None and error.code() in OF_ONE_PARTITION and len(request.commits) > 1:
            request.one_by_one = True
            self._queue.appendleft(request)
        else:
            _settle(request, error, partitions)

    def settle_flying(self, consumer: Consumer) -> None:
        """Know the fate of the request in flight before going on, where no poll can tell.

        Its own answer cannot come inside a rebalance callback, so the same offsets are committed again, behind it
        on the same connection: nothing newer has been sent, and the partitions are still ours.
        """
        if self._flying is not None:
            request, self._flying = self._flying, None
            self._disowned += 1
            self._commit_now(consumer, request)

    def send_now(self, consumer: Consumer) -> None:
        """Commit what is queued by now, synchronously. Blocks until the broker answers."""
        for _ in range(len(self._queue)):
            if request := self._next():
                self._commit_now(consumer, request)

    def abandon(self) -> None:
        """The partitions were lost: the request in flight may or may not have been made."""
        if self._flying is not None:
            self._flying.answer.set_exception(
                BrokerUnavailable("the partitions were lost while a commit was on its way")
            )
            self._flying = None
            self._disowned += 1

    def close(self, reason: str) -> None:
        """Refuse all that is queued and all that comes."""
        self._closed = reason
        flying, self._flying = self._flying, None
        for request in (flying, *self._queue):
            if request is not None and not request.answer.done():
                request.answer.set_exception(BrokerUnavailable(reason))
        self._queue.clear()

    def _next(self) -> Request | None:
        while self._queue:
            request = self._queue.popleft()
            # False: its caller gave up meanwhile.
            if request.one_by_one or request.answer.set_running_or_notify_cancel():
                return request
        return None

    def _commit_now(self, consumer: Consumer, request: Request) -> None:
        try:
            partitions = _commit(consumer, self._offsets(request))
        except KafkaException as error:
            if error.args[0].code() in OF_ONE_PARTITION and len(request.commits) > 1:
                self._commit_each(consumer, request)
            else:
                _settle(request, error.args[0], ())
        else:
            _settle(request, None, partitions)

    def _commit_each(self, consumer: Consumer, request: Request) -> None:
        """Find out which partition was refused: the client gives one partition's error to all of a request."""
        refused: dict[TopicPartition, str] = {}
        for commit in request.commits:
            alone = Request([commit])
            self._commit_now(consumer, alone)
            if error := alone.answer.exception():
                request.answer.set_exception(error)
                return
            refused.update(alone.answer.result())
        request.answer.set_result(refused)

    def _offsets(self, request: Request) -> list[KafkaPartition]:
        found = []
        for commit in request.commits:
            topic, partition = commit.partition
            slot = self._slots.get((topic, partition))
            epoch = slot.leader_epoch(commit.offset) if slot is not None else NO_EPOCH
            found.append(KafkaPartition(topic, partition, commit.offset, commit.metadata, epoch))
        return found


def _commit(consumer: Consumer, offsets: list[KafkaPartition]) -> Sequence[KafkaPartition]:
    found: Any = consumer.commit(offsets=offsets, asynchronous=False)
    return found or ()


def _settle(request: Request, error: KafkaError | None, partitions: Sequence[KafkaPartition]) -> None:
    if error is not None and error.code() in UNANSWERED:
        request.answer.set_exception(BrokerUnavailable(f"the commit was not answered: {error.str()}"))
        return
    refused = _refusals(partitions)
    if error is not None and not refused:
        refused = {commit.partition: error.str() for commit in request.commits}
    request.answer.set_result(refused)


def _refusals(partitions: Sequence[KafkaPartition]) -> dict[TopicPartition, str]:
    return {_source(one): one.error.str() for one in partitions if one.error is not None}


def _source(partition: KafkaPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)
