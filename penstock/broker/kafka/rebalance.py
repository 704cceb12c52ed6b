"""Partitions come and go: the client's rebalance callbacks, run in the poll thread.

Taking: resolve the starts, let the listener prepare (it may commit), only then begin to read. Handing over: let the
listener finish and commit while the partitions are still ours, then let go.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from penstock.broker.kafka.commits import Commits
from penstock.broker.kafka.listener_calls import ListenerCalls
from penstock.broker.kafka.slots import NO_EPOCH, Slot, Slots
from penstock.broker.kafka.start_query import StartQuery
from penstock.broker.kafka.troubles import Troubles
from penstock.errors import BrokerUnavailable
from penstock.record import TopicPartition

_log: Final = logging.getLogger("penstock.kafka")


class Rebalance:
    """The assignment of one member.

    `changed` says that it changed since it was last set to False, `fresh` which partitions were taken since then.
    """

    def __init__(
        self,
        slots: Slots,
        calls: ListenerCalls,
        commits: Commits,
        starts: StartQuery,
        troubles: Troubles,
        *,
        max_poll_interval: float,
        reapply: Callable[[], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._slots = slots
        self._calls = calls
        self._commits = commits
        self._starts = starts
        self._troubles = troubles
        # Beyond max.poll.interval.ms the broker takes *all* partitions away.
        self._bound = max_poll_interval * 0.8
        self._resolve_within = min(30.0, max_poll_interval * 0.4)
        self._reapply = reapply
        self._stopping = stopping
        self.changed = False
        self.fresh: set[tuple[str, int]] = set()

    def on_assign(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Partitions gained, perhaps none."""
        self.changed = True
        positions: list[KafkaPartition] = []
        try:
            self._commits.settle_flying(consumer)
            if partitions and self._calls.failure is None:
                positions = self._take(consumer, [TopicPartition(one.topic, one.partition) for one in partitions])
        except BrokerUnavailable as error:
            if self._stopping():
                _log.info("told to leave before partitions could be taken: %s", error)
            else:
                self._calls.failed(error)
        except Exception as error:  # noqa: BLE001  # an error must end the worker, not vanish in the client's C code
            self._calls.failed(error)
        # Called even with nothing to read: without, the client would assign by itself, from its own guess.
        consumer.incremental_assign(positions)
        self._reapply()

    def on_revoke(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Partitions to be handed over; they stay ours until this returns."""
        self.changed = True
        ours = self._ours(partitions)
        try:
            self._commits.settle_flying(consumer)
            if ours and not self._calls.revoked(ours, self._bound):
                _log.error("the runs of %d partitions did not end within %.0f s of a revoke", len(ours), self._bound)
                self._calls.lost(ours, 1.0)
            self._commits.send_now(consumer)
        except Exception as error:  # noqa: BLE001  # as above
            self._calls.failed(error)
        self._let_go(consumer, partitions)

    def on_lost(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Partitions that belong to others already."""
        self.changed = True
        ours = self._ours(partitions)
        try:
            self._commits.abandon()
            if ours:
                self._calls.lost(ours, self._bound)
        except Exception as error:  # noqa: BLE001  # as above
            self._calls.failed(error)
        self._let_go(consumer, partitions)

    def _take(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> list[KafkaPartition]:
        deadline = time.monotonic() + self._resolve_within
        found = self._starts.resolve(consumer, partitions, deadline, lambda: not self._stopping())
        self._calls.assigned([one.assigned for one in found], self._bound - self._resolve_within)
        self._commits.send_now(consumer)
        positions = []
        for one in found:
            source, start = one.assigned.partition, one.assigned.start
            self._slots[source] = Slot(source, start, one.assigned.end, one.leader_epoch)
            self.fresh.add(source)
            epoch = NO_EPOCH if one.leader_epoch is None else one.leader_epoch
            positions.append(KafkaPartition(source.topic, source.partition, start, "", epoch))
        self._troubles.over({source.topic for source in partitions})
        return positions

    def _ours(self, partitions: Sequence[KafkaPartition]) -> list[TopicPartition]:
        named = [TopicPartition(one.topic, one.partition) for one in partitions]
        return [one for one in named if one in self._slots]

    def _let_go(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        for one in partitions:
            self._slots.pop((one.topic, one.partition), None)
            self.fresh.discard((one.topic, one.partition))
        try:
            consumer.incremental_unassign(list(partitions))
        except KafkaException as error:
            # Lost partitions may be gone in the client already; the group goes on without them either way.
            _log.warning("partitions could not be let go in the client: %s", error)
        self._reapply()
