"""A source worker: one process of a source connector, as its owner or standing by, from joining to leaving.

An exclusive source belongs to the member that holds partition 0 of `<name>.cursors` in the group `<name>.<connector>`:
the group decides who that is, notices a death, and fences. No lock of ours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING

from penstock.broker.contract import Assigned, Broker, GroupSettings
from penstock.clock import Clock
from penstock.contracts import Source
from penstock.engine.counters import Counters
from penstock.engine.cursors import Keeper, Kept, is_own, load_kept, read_kept
from penstock.engine.hand_off import HandOff, StaleEpoch
from penstock.engine.source_outlet import SourceOutlet, SourceSurroundings, Tenure
from penstock.errors import BrokerError, ProducerFatal
from penstock.record import Record, TopicPartition
from penstock.schema.codec import Codec
from penstock.topology.connector_options import SourceOptions
from penstock.topology.derived import cursors_topic
from penstock.topology.model import Topology

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("penstock.source")
_FIRST_WAIT = 1.0  # seconds until `run` is called again after it failed
_LONGEST_WAIT = 30.0
_UNWIND = 2.0  # seconds a cancelled source has to let go
_DEMAND = 1000


class SourceWorker:
    """Runs one source until told to stop. It is its group's listener itself (broker/contract.py: GroupListener)."""

    def __init__(
        self,
        topology: Topology,
        options: SourceOptions,
        source: Source,
        broker: Broker,
        clock: Clock,
        *,
        client_id: str = "penstock",
        http: Callable[[], httpx.AsyncClient] | None = None,
        backlog: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self.options = options
        self.joined = False
        self.exhausted = False  # `run` returned by itself: there is nothing left to bring
        self._failed_at: int | None = None  # how much was delivered when `run` failed last
        self._client_id = client_id
        self._source = source
        self._broker = broker
        self._topic = cursors_topic(topology.name)
        codec = Codec(topology)
        self._shared = SourceSurroundings(topology, options, broker, clock, codec, http or _no_http, backlog)
        self.counters = self._shared.counters
        self.producer = broker.producer(client_id)
        self._hand_off = HandOff(self.producer, Counters())
        self._stopping = asyncio.Event()
        self._failure: Exception | None = None
        self._tenure: Tenure | None = None
        self._keeper: Keeper | None = None
        self._task: asyncio.Task[None] | None = None
        interval = float(topology.kafka.get("max.poll.interval.ms", 300_000)) / 1000
        settings = GroupSettings(
            options.group_id,
            client_id,
            start_from="latest",  # the cursor is looked up, not waited for
            failover=options.failover,
            max_poll_interval=interval,
            settings=topology.kafka,
        )
        self.member = broker.member(settings) if options.exclusive else None
        self._grace = min(options.stop_grace_period, interval / 2)

    # life ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Join, run while owner, drain, leave. Raises what ended it otherwise."""
        try:
            if self.member is None:
                self._begin(Kept())
            else:
                await self.member.join([self._topic], self)
            self.joined = True
            await self._stopping.wait()
        finally:
            if self.member is not None:
                await self.member.leave()
            await self._end()
            await self.producer.close()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Drain and leave; called again, stop at once."""
        if self._stopping.is_set() and self._task is not None:
            self._task.cancel()
        self._stopping.set()
        if self._tenure is not None:
            self._tenure.stopping.set()

    def abort(self) -> None:
        """Drop everything where it stands, as a killed process would."""
        self._drop()
        self._stopping.set()

    def problem(self) -> str:
        """Why this process can no longer work; '' while all is well."""
        return self.member.problem() if self.member is not None and self.joined else ""

    @property
    def owner(self) -> bool:
        """Whether the source runs here now."""
        return self._tenure is not None and self._tenure.active

    @property
    def failing(self) -> bool:
        """Whether `run` failed, and nothing was delivered since."""
        return self._failed_at == self.counters.delivered

    # a tenure --------------------------------------------------------------------------------------------------

    def _begin(self, kept: Kept | None) -> None:
        self._tenure = Tenure()
        self._task = asyncio.get_running_loop().create_task(self._serve(self._tenure, kept))
        self._task.add_done_callback(self._served)

    async def _serve(self, tenure: Tenure, kept: Kept | None) -> None:
        """One tenure: the cursor that holds, then `run` as often as it fails."""
        if kept is None:
            kept = await self._load(tenure)
            mine = Kept(kept.cursor, kept.epoch + 1, self._client_id)
            self._keeper = Keeper(self.producer, self._topic, self.options.name, mine)
            self._keeper.write()  # says who owns it now, so that a former owner can see it
        self.counters.takeovers += 1
        outlet = SourceOutlet(self._shared, self._hand_off, tenure, self._keeper)
        wait = _FIRST_WAIT
        while not tenure.stopping.is_set():
            delivered = self.counters.delivered
            try:
                await self._source.run(outlet)
            except (StaleEpoch, ProducerFatal):
                raise
            except Exception:  # whatever the outside does to a connector, it tries again
                self.counters.failures += 1
                self._failed_at = self.counters.delivered
                wait = _FIRST_WAIT if self.counters.delivered > delivered else wait
                log.exception("%s failed; it runs again in %g s", self.options.name, wait)
                await _first(tenure.stopping, wait)
                wait = min(wait * 2, _LONGEST_WAIT)
            else:
                self.exhausted = not tenure.stopping.is_set()
                return

    async def _load(self, tenure: Tenure) -> Kept:
        while True:
            try:
                return await load_kept(self._broker, self._topic, self.options.name)
            except BrokerError as error:
                log.warning("cannot read %s: %s", self._topic, error)
                await _first(tenure.stopping, _FIRST_WAIT)

    def _served(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None or isinstance(error, StaleEpoch):
            return
        self.failed(error if isinstance(error, Exception) else RuntimeError(repr(error)))

    async def _end(self) -> None:
        """Let the source finish within the grace, cancel it, write the cursor; then nothing of this tenure counts."""
        tenure, task, keeper = self._tenure, self._task, self._keeper
        if tenure is None or task is None:
            return
        tenure.stopping.set()
        _, late = await asyncio.wait({task}, timeout=self._grace)
        if late:
            task.cancel()
            await asyncio.wait({task}, timeout=_UNWIND)
        if keeper is not None and tenure.active:
            try:
                async with asyncio.timeout(self._grace):
                    await keeper.flush()
            except TimeoutError:
                log.error("the cursor of %s could not be written; the next owner repeats a little", self.options.name)
        self._drop()

    def _drop(self) -> None:
        if self._tenure is not None:
            self._tenure.active = False
        if self._keeper is not None:
            self._keeper.active = False
        if self._task is not None:
            self._task.cancel()
        self._tenure = self._task = self._keeper = None

    # the group's listener ---------------------------------------------------------------------------------------

    async def assigned(self, partitions: Sequence[Assigned]) -> None:
        """See GroupListener: partition 0 makes this process the owner."""
        if self.member is not None:
            self.member.demand(_DEMAND)
        if any(one.partition.partition == 0 for one in partitions) and not self._stopping.is_set():
            log.info("%s is run by this process now", self.options.name)
            self._begin(None)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """See GroupListener."""
        if any(one.partition == 0 for one in partitions):
            await self._end()

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """See GroupListener."""
        if any(one.partition == 0 for one in partitions):
            log.error("%s was lost: another process runs it; what is under way here is dropped", self.options.name)
            self._drop()

    def received(self, records: Sequence[Record]) -> None:
        """See GroupListener. Cursors as they are written: a later owner's fences this one, a former one's is undone."""
        keeper = self._keeper
        for record in records:
            found = read_kept(record) if keeper is not None and is_own(record, self.options.name) else None
            if keeper is None or found is None:
                continue
            if found.epoch > keeper.epoch:
                self.lost([record.source])
                return
            if found.epoch < keeper.epoch:
                keeper.write()
        if self.member is not None:
            self.member.demand(_DEMAND)

    def truncated(self, partition: TopicPartition, next_offset: int, lost: int) -> None:
        """See GroupListener: compaction takes what is superseded."""

    def disturbed(self, problem: str) -> None:
        """See GroupListener."""
        log.warning("%s", problem)

    def failed(self, error: Exception) -> None:
        """See GroupListener."""
        if self._failure is None:
            self._failure = error
            log.critical("the worker ends: %s", error)
        self._stopping.set()


async def _first(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _no_http() -> httpx.AsyncClient:
    raise RuntimeError("this worker was built without an HTTP client")
