"""Appends to the log in memory: in order per partition, each acknowledged a turn of the loop later."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from penstock.broker.in_memory.faults import FINE, Fate, Faults, Outcome
from penstock.broker.in_memory.line import Line
from penstock.broker.in_memory.log import Log
from penstock.broker.in_memory.partitioner import partition_for
from penstock.errors import BrokerError, ProducerFatal, SendFailed, SendRefused
from penstock.record import Outgoing, Position, TopicPartition

CLOSE_PATIENCE: Final = 5.0  # seconds that `close` gives what is outstanding


class InMemoryProducer:
    """See contract.Producer. A crashed producer's futures never end, as those of a dead process would not."""

    def __init__(self, client_id: str, log: Log, chance: random.Random, faults: Faults | None) -> None:
        self._client_id = client_id
        self._log = log
        self._chance = chance
        self._faults = faults
        self._lines: dict[TopicPartition, Line] = {}
        self._outstanding: dict[asyncio.Future[Position], None] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._fatal: ProducerFatal | None = None
        self._crashed = False
        self._cut: dict[TopicPartition, None] = {}

    @property
    def outstanding(self) -> int:
        """Records sent and not yet acknowledged."""
        return len(self._outstanding)

    def send(self, record: Outgoing) -> asyncio.Future[Position]:
        """Append; see contract.Producer.send."""
        answer: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        self._outstanding[answer] = None
        self._idle.clear()
        answer.add_done_callback(self._settled)
        if self._crashed:
            return answer
        fate = self._faults.produce(self._client_id, record) if self._faults else FINE
        partition = self._choose(record)
        line = self._lines.setdefault(TopicPartition(record.topic, partition), Line())
        line.add(lambda: self._carry_out(record, partition, fate, answer), fate.delay)
        return answer

    async def flush(self) -> None:
        """Wait until nothing is outstanding."""
        await self._idle.wait()

    async def close(self) -> None:
        """Flush for a few seconds; what is still outstanding then fails."""
        if self._crashed:
            return
        try:
            await asyncio.wait_for(self.flush(), CLOSE_PATIENCE)
        except TimeoutError:
            for answer in list(self._outstanding):
                _fail(answer, SendFailed("the producer was closed before the broker answered"))
        self._fatal = self._fatal or ProducerFatal("the producer is closed", "ask the broker for a new one")

    def crash(self) -> None:
        """Vanish as a killed process: of what is under way a chance prefix of each partition is appended, unheard."""
        self._crashed = True

    def _settled(self, answer: asyncio.Future[Position]) -> None:
        self._outstanding.pop(answer, None)
        if not self._outstanding:
            self._idle.set()

    def _choose(self, record: Outgoing) -> int:
        if record.partition is not None:
            return record.partition
        topic = self._log.topics.get(record.topic)
        return 0 if topic is None else partition_for(record.key, len(topic.partitions), self._chance)

    def _carry_out(self, record: Outgoing, partition: int, fate: Fate, answer: asyncio.Future[Position]) -> None:
        if self._crashed:
            self._survive(record, partition, fate)
            return
        if self._fatal is not None:
            _fail(answer, self._fatal)
            return
        if fate.outcome is Outcome.FATAL:
            self._fatal = ProducerFatal("the producer was fenced", "end the process and start it again")
            _fail(answer, self._fatal)
        elif fate.outcome is Outcome.REFUSED:
            _fail(answer, SendRefused(f"not authorised to write to {record.topic}", "ask for the right to write"))
        elif fate.outcome is Outcome.FAILED:
            _fail(answer, SendFailed(f"the broker did not acknowledge a record for {record.topic}", "send it again"))
        else:
            self._append(record, partition, fate, answer)

    def _survive(self, record: Outgoing, partition: int, fate: Fate) -> None:
        """Append or lose what a crashed producer left on its way; what comes after a lost record is lost too."""
        at = TopicPartition(record.topic, partition)
        if fate.outcome not in {Outcome.DONE, Outcome.UNANSWERED} or at in self._cut:
            return
        if self._chance.random() < 0.5:
            self._cut[at] = None
        else:
            self._try(lambda: self._log.append(record, partition))

    def _append(self, record: Outgoing, partition: int, fate: Fate, answer: asyncio.Future[Position]) -> None:
        found = self._try(lambda: self._log.append(record, partition))
        if isinstance(found, BrokerError):
            _fail(answer, found)
        elif fate.outcome is Outcome.UNANSWERED:
            _fail(answer, SendFailed(f"the broker did not acknowledge a record for {record.topic}", "send it again"))
        elif not answer.done():
            answer.set_result(found)

    @staticmethod
    def _try(append: Callable[[], Position]) -> Position | BrokerError:
        try:
            return append()
        except BrokerError as refusal:
            return refusal


def _fail(answer: asyncio.Future[Position], error: BrokerError) -> None:
    if not answer.done():
        answer.set_exception(error)
