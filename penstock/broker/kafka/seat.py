"""One seat in one consumer group on Kafka: a client, its poll thread, and what the loop asks of them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException

from penstock.broker.contract import Commit, GroupListener, GroupSettings
from penstock.broker.kafka.client_log import ClientLog
from penstock.broker.kafka.intake import Intake
from penstock.broker.kafka.listener_calls import ListenerCalls
from penstock.broker.kafka.poll_thread import PollThread
from penstock.broker.kafka.questions import Questions
from penstock.broker.kafka.settings import LOGGER, consumer_settings
from penstock.errors import BrokerError, BrokerUnavailable
from penstock.record import TopicPartition

_log: Final = logging.getLogger(LOGGER)
COMMIT_TIMEOUT: Final = 30.0
_CLOSE_BEYOND: Final = 10.0  # seconds for leaving the group, beyond those of a revoke


class Seat:
    """One member as the broker counts them. One join and one leave each; everything is called on one loop."""

    def __init__(self, settings: Mapping[str, str], group: GroupSettings, questions: Questions) -> None:
        self._settings = settings
        self._group = group
        self._questions = questions
        self._protocol = ""
        self._signal = threading.Event()
        self._thread: PollThread | None = None
        self._intake = Intake(self._signal.set)
        self._leaving: asyncio.Task[None] | None = None

    @property
    def last_polled(self) -> float:
        """When the client was last served, by time.monotonic(); for liveness."""
        return self._thread.last_polled if self._thread is not None else 0.0

    @property
    def alive(self) -> bool:
        """Whether the poll thread runs and has not failed."""
        return self._thread is not None and self._thread.alive

    @property
    def stale(self) -> int:
        """Messages thrown away because they were of an assignment that had ended."""
        return self._thread.stale if self._thread is not None else 0

    def join(self, protocol: str, topics: Collection[str], listener: GroupListener) -> None:
        """Subscribe, speaking `protocol`, and start the poll thread. Raises BrokerError where the client cannot be."""
        loop = asyncio.get_running_loop()
        self._protocol = protocol
        intake = self._intake
        intake.open(listener)
        self._thread = PollThread(
            self._consumer,
            self._group,
            self._questions,
            intake,
            lambda meanwhile: ListenerCalls(loop, listener, intake, self._signal, meanwhile),
            self._signal,
        )
        self._thread.start(topics)

    def subscribe(self, topics: Collection[str]) -> None:
        """Replace the subscription."""
        self._running().ask_subscription(topics)

    def demand(self, records: int) -> None:
        """How many more records may be delivered from now on."""
        self._intake.demand(records)

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver nothing of these until resumed; those not assigned are remembered until they are revoked."""
        self._intake.pause(partitions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver again, right after the last record delivered."""
        self._intake.resume(partitions)

    async def commit(self, commits: Sequence[Commit]) -> Mapping[TopicPartition, str]:
        """Commit once; what was refused, and why. Raises BrokerUnavailable without an answer."""
        if not commits:
            return {}
        answer = self._running().commits.ask(commits)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), COMMIT_TIMEOUT)
        except TimeoutError as error:
            raise BrokerUnavailable(
                f"a commit was not answered within {COMMIT_TIMEOUT:.0f} s", "it may or may not have been made"
            ) from error

    def ends(self) -> Mapping[TopicPartition, int]:
        """The log ends as last heard."""
        return self._thread.ends if self._thread is not None else {}

    def problem(self) -> str:
        """See the contract."""
        if self._leaving is not None:  # its thread is meant to end, and leaving is bounded
            return ""
        return "the poll thread has ended" if self._thread is not None and not self.alive else ""

    async def leave(self) -> None:
        """Hand over and leave the group. Bounded, idempotent."""
        if self._thread is None:
            return
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(self._thread))
        await asyncio.shield(self._leaving)

    async def _leave(self, thread: PollThread) -> None:
        thread.stop()
        bound = self._group.max_poll_interval * 0.8 + _CLOSE_BEYOND
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def wait() -> None:
            thread.join()
            loop.call_soon_threadsafe(ended.set)

        # A thread of its own and a daemon: where the client hangs, the process can still end.
        threading.Thread(target=wait, name="leave", daemon=True).start()
        try:
            await asyncio.wait_for(ended.wait(), bound)
        except TimeoutError:
            _log.error("the group could not be left within %.0f s; the broker will notice by itself", bound)
        self._intake.close()

    def _consumer(self, **callbacks: object) -> Consumer:
        settings = consumer_settings(self._settings, self._group, self._protocol)
        try:
            return Consumer({**settings, **callbacks}, logger=ClientLog())
        except KafkaException as error:
            raise BrokerError(
                f"the Kafka client refuses its settings: {error.args[0].str()}", "see `kafka:` in the topology"
            ) from error

    def _running(self) -> PollThread:
        if self._thread is None:
            raise BrokerError("the member has not joined its group yet", "await join() first")
        return self._thread
