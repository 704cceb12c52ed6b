"""Writes run records beside the work: best effort, in batches, on a producer of its own. It delays nothing.

Reports wait in a bounded queue; what does not fit, and what Kafka does not take, is counted as lost. Batches are made
one a turn of the loop. Attempts that simply went well are taken up to a rate: a handler that does nothing would be
slowed down by half for the record that it did nothing. (engine.report.Recorder is what the worker sees.)
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from penstock.broker.contract import Broker, Producer
from penstock.engine.counters import Counters
from penstock.engine.report import AttemptReport
from penstock.errors import BrokerError
from penstock.record import Outgoing, Position
from penstock.runs.encoding import Encoder
from penstock.topology.derived import runs_topic
from penstock.topology.model import Topology

log = logging.getLogger("penstock.runs")
MOST_WAITING: Final = 20_000  # reports
MOST_BYTES: Final = 16 << 20  # of the records they keep alive
_MOST_OUTSTANDING: Final = 16  # batches not acknowledged
_BATCH: Final = 500  # reports: a few milliseconds of the loop
_LINGER: Final = 0.1  # seconds a report waits for company
_FAREWELL: Final = 2.0  # seconds for what is left at the end
_SAY_EVERY: Final = 60.0


class RunWriter:
    """Takes reports (`observe`), and writes them to one topic while `work` runs."""

    def __init__(
        self, producer: Producer, topic: str, encoder: Encoder, counters: Counters, *, worker: str, rate: int
    ) -> None:
        """`rate` is how many attempts a second may be taken that simply went well."""
        self.hungry = rate > 0
        self.passed_over = 0
        self._rate = rate
        self._allowance = float(rate)
        self._producer = producer
        self._topic = topic
        self._encoder = encoder
        self._counters = counters
        self._key = worker.encode()
        self._queue: deque[AttemptReport] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._outstanding = 0
        self._said = -_SAY_EVERY
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write; to be called on the loop."""
        self._task = asyncio.create_task(self._work())

    def observe(self, report: AttemptReport) -> None:
        """Take one report; never blocks and never raises."""
        if report.outcome == "done" and not report.steps and not report.usage:
            if not self.hungry:
                self.passed_over += 1
                return
            self._allowance -= 1
            self.hungry = self._allowance >= 1
        queue = self._queue
        if len(queue) >= MOST_WAITING or self._bytes >= MOST_BYTES:
            self._counters.run_records_lost += 1
            return
        value = report.record.value
        if value is not None:
            self._bytes += len(value)
        queue.append(report)
        if len(queue) == 1:
            self._news.set()

    async def close(self) -> None:
        """Write what is left, for two seconds at most, and end the producer. Idempotent."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        while self._queue and self._outstanding < _MOST_OUTSTANDING:
            self._write()
        self._counters.run_records_lost += len(self._queue) + self.passed_over
        self.passed_over = 0
        self._queue.clear()
        await self._flush()
        counters = self._counters
        log.info("%d attempts on record, %d left out", counters.run_records, counters.run_records_lost)

    async def _flush(self) -> None:
        try:
            await asyncio.wait_for(self._producer.flush(), _FAREWELL)
        except (TimeoutError, BrokerError):
            log.warning("run records are left unwritten: %s did not take them in time", self._topic)

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._news.wait()
            self._news.clear()
            began = clock()
            await asyncio.sleep(_LINGER)
            self._feed(clock() - began)
            while self._queue and self._outstanding < _MOST_OUTSTANDING:
                self._write()
                await asyncio.sleep(0)
            if self._queue or not self.hungry:  # Kafka is slow or away, or there is appetite to come: look again
                self._news.set()

    def _feed(self, seconds: float) -> None:
        """Time has passed: more may be taken."""
        self._counters.run_records_lost += self.passed_over
        self.passed_over = 0
        self._allowance = min(self._allowance + self._rate * seconds, self._rate)
        self.hungry = self._allowance >= 1

    def _write(self) -> None:
        """One batch."""
        queue = self._queue
        reports = [queue.popleft() for _ in range(min(_BATCH, len(queue)))]
        self._bytes = self._bytes - sum(len(one.record.value or b"") for one in reports) if queue else 0
        try:
            value, count = self._encoder.batch(reports)
        except Exception:
            self._counters.run_records_lost += len(reports)
            log.exception("%d run records cannot be made", len(reports))  # a defect; the work itself is not touched
            return
        if value is None:
            return
        self._outstanding += 1
        future = self._producer.send(Outgoing(self._topic, self._key, value))
        future.add_done_callback(lambda done: self._written(done, count))

    def _written(self, future: asyncio.Future[Position], count: int) -> None:
        self._outstanding -= 1
        error = None if future.cancelled() else future.exception()
        if error is None and not future.cancelled():
            self._counters.run_records += count
            return
        self._counters.run_records_lost += count
        now = asyncio.get_running_loop().time()
        if now - self._said >= _SAY_EVERY:
            self._said = now
            log.warning("run records are not written: %s; the work goes on (`penstock apply` makes the topic)", error)


@asynccontextmanager
async def recording(
    topology: Topology, processor: str, broker: Broker, counters: Counters, *, worker: str, code: str = ""
) -> AsyncIterator[RunWriter | None]:
    """The writer of one worker, while inside; None where the topology turns the record off.

    `worker` names the process, `code` the version of the app. It has a producer of its own, so that a missing or slow
    topic of runs never stands before the worker's hand-offs.
    """
    if not topology.runs.enabled:
        yield None
        return
    encoder = Encoder(topology, processor, worker=worker, code=code)
    producer = broker.producer(f"{worker}-runs")
    writer = RunWriter(producer, runs_topic(topology.name), encoder, counters, worker=worker, rate=topology.runs.rate)
    writer.start()
    try:
        yield writer
    finally:
        await writer.close()
