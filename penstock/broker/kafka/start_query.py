"""Asks the broker what the starts of assigned partitions depend on: topic ids, commits, the log's ends.

Every answer is needed: a start that cannot be resolved is never guessed, the question is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import OffsetSpec

from penstock.broker.contract import Assigned, Committed, Ends, GroupSettings
from penstock.broker.kafka.codes import TIMED_OUT
from penstock.broker.kafka.questions import Questions
from penstock.broker.starts import is_newborn, resolve
from penstock.errors import BrokerUnavailable
from penstock.record import TopicPartition

_REQUEST_TIMEOUT: Final = 10.0
# Asked under the member's epoch; where the group moves on meanwhile, the answer may never come: ask anew soon.
_COMMITTED_TIMEOUT: Final = 2.0
_PAUSE: Final = 0.2  # between two tries


@dataclass(frozen=True, slots=True)
class Resolved:
    """An assigned partition and the leader epoch its commit was made under, where reading begins at that commit."""

    assigned: Assigned
    leader_epoch: int | None


@dataclass(frozen=True, slots=True)
class _Topic:
    id: str
    partitions: int


class StartQuery:
    """Resolves the starts of one member's partitions. Blocks; called in the poll thread."""

    def __init__(self, questions: Questions, group: GroupSettings) -> None:
        self._questions = questions
        self._group = group

    def resolve(
        self, consumer: Consumer, partitions: Collection[TopicPartition], deadline: float, go_on: Callable[[], bool]
    ) -> list[Resolved]:
        """Where reading each of these begins. Asks until `deadline` (monotonic) or `go_on` says no.

        Raises BrokerUnavailable where it cannot be known in time.
        """
        while True:
            try:
                return self._resolve(consumer, partitions)
            except (KafkaException, TimeoutError) as error:
                if time.monotonic() > deadline or not go_on():
                    raise BrokerUnavailable(
                        f"where to begin reading {_listed(partitions)} cannot be known: {error}",
                        "the broker did not answer in time; the worker must be started again",
                    ) from error
                time.sleep(_PAUSE)

    def _resolve(self, consumer: Consumer, partitions: Collection[TopicPartition]) -> list[Resolved]:
        topics = self._topics({one.topic for one in partitions})
        committed = self._committed(consumer, topics)
        ends = self._ends(partitions)
        fallbacks = self._fallbacks(partitions, committed, ends)
        found = []
        for one in partitions:
            topic = topics[one.topic]
            commit = committed[one.topic].get(one.partition)
            start = resolve(commit, ends[one], fallbacks.get(one, 0), topic.id)
            assigned = Assigned(
                one, start.offset, start.metadata, ends[one].high, topic.id, topic.partitions, start.lost
            )
            kept = commit is not None and start.offset == commit.offset
            found.append(Resolved(assigned, commit.leader_epoch if commit is not None and kept else None))
        return found

    def _topics(self, names: Collection[str]) -> Mapping[str, _Topic]:
        asked = TopicCollection(list(names))
        answers = self._questions.each(
            lambda client: client.describe_topics(asked, request_timeout=_REQUEST_TIMEOUT), _REQUEST_TIMEOUT
        )
        return {name: _Topic(str(found.topic_id), len(found.partitions)) for name, found in answers.items()}

    def _committed(self, consumer: Consumer, topics: Mapping[str, _Topic]) -> Mapping[str, dict[int, Committed]]:
        # All partitions of a topic, not only ours: a partition without a commit is judged by its neighbours.
        wanted = [KafkaPartition(name, index) for name, topic in topics.items() for index in range(topic.partitions)]
        found: dict[str, dict[int, Committed]] = {name: {} for name in topics}
        for one in consumer.committed(wanted, timeout=_COMMITTED_TIMEOUT):
            if one.error is not None:
                raise KafkaException(one.error)
            if one.offset >= 0:
                found[one.topic][one.partition] = Committed(one.offset, one.metadata or "", one.leader_epoch)
        return found

    def _ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Ends]:
        low = self._offsets(partitions, OffsetSpec.earliest())
        high = self._offsets(partitions, OffsetSpec.latest())
        return {one: Ends(low[one], high[one]) for one in partitions}

    def _fallbacks(
        self,
        partitions: Collection[TopicPartition],
        committed: Mapping[str, Mapping[int, Committed]],
        ends: Mapping[TopicPartition, Ends],
    ) -> Mapping[TopicPartition, int]:
        """The start of those without a commit."""
        found, by_time = {}, []
        for one in partitions:
            commits = committed[one.topic]
            if one.partition in commits:
                continue
            if self._from_the_beginning(one.topic) or not is_newborn(one.partition, commits):
                found[one] = ends[one].low
            elif self._group.start_from == "latest":
                found[one] = ends[one].high
            else:
                by_time.append(one)
        if by_time:
            times = self._offsets(by_time, OffsetSpec.for_timestamp(int(self._group.start_from)))
            found.update({one: offset if offset >= 0 else ends[one].high for one, offset in times.items()})
        return found

    def _from_the_beginning(self, topic: str) -> bool:
        group = self._group
        return group.is_own(topic) or group.start_from == "earliest" or topic in group.always_earliest

    def _offsets(self, partitions: Iterable[TopicPartition], which: OffsetSpec) -> Mapping[TopicPartition, int]:
        asked = {KafkaPartition(*one): which for one in partitions}
        answers = self._questions.each(
            lambda client: client.list_offsets(asked, request_timeout=_REQUEST_TIMEOUT), _REQUEST_TIMEOUT
        )
        return {TopicPartition(one.topic, one.partition): found.offset for one, found in answers.items()}


def log_ends(consumer: Consumer, partition: TopicPartition) -> Ends:
    """The first and next offset of one partition, asked of the broker. Raises KafkaException where it is silent."""
    found = consumer.get_watermark_offsets(KafkaPartition(*partition), timeout=_REQUEST_TIMEOUT)
    if found is None:
        raise KafkaException(KafkaError(TIMED_OUT))
    return Ends(*found)


def _listed(partitions: Collection[TopicPartition]) -> str:
    shown = ", ".join(str(one) for one in sorted(partitions)[:3])
    return shown if len(partitions) <= 3 else f"{shown} and {len(partitions) - 3} more"
