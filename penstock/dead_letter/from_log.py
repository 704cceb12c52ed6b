"""Replays a stretch of a source topic through a group's replay topic, from the log itself: new runs, or the same.

The command's id enters the run id of each record, so the runs are new and known to be this replay's; with
`same_run` the run ids are those of the first time, for handlers whose outside systems should see a repetition. An
interrupted replay goes on under the same id: what the replay topic already holds of it is not written again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.clock import Clock, SystemClock
from penstock.dead_letter.entries import declared_types, in_binary_mode, origin_of
from penstock.dead_letter.handled import Follower
from penstock.dead_letter.ranges import Point, Ranges, between, whole, widened
from penstock.dead_letter.sending import Pace, Parcel, write
from penstock.dead_letter.settling import CLIENT, Result, Target, origin_lines
from penstock.errors import PenstockError
from penstock.event import Event, Origin
from penstock.record import Outgoing, Position, Record, TopicPartition
from penstock.schema.identity import run_id
from penstock.topology.derived import replay_topic
from penstock.topology.model import Processor, Topology


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is asked for: a topic, from where to where (None: all there is), and which records of it."""

    topic: str
    first: Point | None = None
    last: Point | None = None
    partition: int | None = None
    types: Collection[str] = ()
    key: bytes | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class LogReplayPlan:
    """What a replay from the log will do. The end is fixed: what is written to the topic later is not replayed.

    `count` records are meant and `by_type` counts them; `left_out` are in the stretch and not meant. Times in ms.
    """

    group_id: str
    stretch: Stretch
    types: Collection[str]
    declared: str
    ranges: Ranges
    count: int
    left_out: int
    by_type: Mapping[str, int]
    oldest: int | None
    newest: int | None
    workers: int

    def type_of(self, record: Record) -> str:
        """The record's event type, or what the topic declares."""
        return wire.text(in_binary_mode(record).headers, wire.CE_TYPE) or self.declared

    def means(self, record: Record) -> bool:
        """Whether the record of the stretch is to be replayed."""
        key = self.stretch.key
        return (not self.types or self.type_of(record) in self.types) and (key is None or record.key == key)


async def plan_log_replay(broker: Broker, topology: Topology, processor: Processor, stretch: Stretch) -> LogReplayPlan:
    """What `replay_log` would do. Reads the stretch once, writes nothing.

    Only types that the processor takes are meant. Raises PenstockError where the topic is no source of the
    processor or the partition is not there, TopicMissing where the topic or the replay topic is missing.
    """
    if stretch.topic not in processor.topics:
        raise PenstockError(
            f"{stretch.topic} is no source of {processor.name}",
            f"its sources are {', '.join(processor.topics)}; dead letters are replayed by `penstock dlt replay`",
        )
    admin = broker.admin()
    await whole(admin, replay_topic(processor.group_id))
    ranges = await between(admin, await _partitions(broker, stretch), stretch.first, stretch.last)
    declared = declared_types(topology).get(stretch.topic, "")
    types = tuple(stretch.types or processor.types)
    workers = len((await admin.group(processor.group_id)).members)
    empty = LogReplayPlan(processor.group_id, stretch, types, declared, ranges, 0, 0, {}, None, None, workers)
    return await _survey(broker, empty)


async def _partitions(broker: Broker, stretch: Stretch) -> Ranges:
    everything = await whole(broker.admin(), stretch.topic)
    if stretch.partition is None:
        return everything
    wanted = TopicPartition(stretch.topic, stretch.partition)
    if wanted not in everything:
        raise PenstockError(f"{stretch.topic} has no partition {stretch.partition}", f"it has {len(everything)}")
    return {wanted: everything[wanted]}


async def _survey(broker: Broker, plan: LogReplayPlan) -> LogReplayPlan:
    """The plan with its counts, and its ranges cut where the limit is reached: the same records whoever reads them."""
    types: Counter[str] = Counter()
    left_out = 0
    span: tuple[int, int] | None = None
    seen = {partition: first for partition, (first, _) in plan.ranges.items()}
    limit = plan.stretch.limit
    async for record in _read(broker, plan.ranges):
        if limit is not None and types.total() >= limit:
            break
        seen[record.source] = record.offset + 1
        if not plan.means(record):
            left_out += 1
            continue
        types[plan.type_of(record)] += 1
        span = widened(span, record.timestamp)
    else:
        seen = {partition: last for partition, (_, last) in plan.ranges.items()}
    oldest, newest = span or (None, None)
    ranges = {partition: (first, seen[partition]) for partition, (first, _) in plan.ranges.items()}
    counts = dict(types.most_common())
    return replace(
        plan,
        ranges=ranges,
        count=types.total(),
        left_out=left_out,
        by_type=counts,
        oldest=oldest,
        newest=newest,
    )


async def _read(broker: Broker, ranges: Ranges) -> AsyncIterator[Record]:
    wanted = {partition: bounds for partition, bounds in ranges.items() if bounds[0] < bounds[1]}
    if wanted:
        async for record in broker.reader().scan(wanted):
            yield record


async def replay_log(
    broker: Broker,
    plan: LogReplayPlan,
    *,
    replay_id: str,
    same_run: bool = False,
    resume: bool = False,
    rate: float | None = None,
    progress: Callable[[int], None] = lambda _count: None,
    clock: Clock | None = None,
) -> Result:
    """Write the planned records to the replay topic, at most `rate` a second, each acknowledged.

    Key, value and foreign headers stay as they are; `penstock-*` headers of the source are not believed and not
    copied. With `resume`, records that `replay_id` wrote before are passed over.
    """
    topic = replay_topic(plan.group_id)
    admin = broker.admin()
    target = Target(topic, len(await whole(admin, topic)), replay_id)
    cluster = (await admin.cluster()).id

    async def parcels() -> AsyncIterator[Parcel[Record]]:
        async for record in _read(broker, plan.ranges):
            if plan.means(record):
                run = _run_id(plan, record, cluster, None if same_run else replay_id)
                yield Parcel(record, repeated(record, run, target))

    producer = broker.producer(CLIENT)
    window = _Unwritten(Follower(broker, topic) if resume else None, replay_id)
    try:
        tally = await write(producer, parcels(), window, Pace(clock or SystemClock(), rate), progress)
    finally:
        await producer.close()
    return Result(replay_id, tally)


def _run_id(plan: LogReplayPlan, record: Record, cluster: str, replay_id: str | None) -> str:
    said = in_binary_mode(record)
    event = Event(said, None, plan.type_of(record), _origin(record))  # the data is not needed, so it stays closed
    return run_id(event, record, plan.group_id, cluster, replay_id)


def _origin(record: Record) -> Origin:
    return Origin(record.topic, record.partition, record.offset, record.timestamp)


def repeated(record: Record, run: str, target: Target) -> Outgoing:
    """The record that offers a record of the log again."""
    origin = _origin(record)
    ours = [
        wire.line(wire.RUN_ID, run),
        wire.line(wire.REPLAY_ID, target.replay_id),
        wire.line(wire.REPLAY_COUNT, 1),
        *origin_lines(origin),
    ]
    headers = [*wire.foreign(record.headers), *ours]
    return Outgoing(target.topic, record.key, record.value, headers, target.partition(origin))


class _Unwritten:
    """A record waits as long as this replay has not written it; `written` None where the replay is new."""

    def __init__(self, written: Follower | None, replay_id: str) -> None:
        self._written = written
        self._replay_id = replay_id
        self._origins: set[Position] = set()

    async def waiting(self, parcels: Sequence[Parcel[Record]]) -> Sequence[Parcel[Record]]:
        if self._written is None:
            return parcels
        async for record in self._written.fresh():
            origin = origin_of(record.headers)
            if origin and wire.text(record.headers, wire.REPLAY_ID) == self._replay_id:
                self._origins.add(Position(origin.topic, origin.partition, origin.offset))
        return [parcel for parcel in parcels if parcel.subject.position not in self._origins]

    def wrote(self, parcel: Parcel[Record], at: Position) -> None:
        if self._written is not None:
            self._origins.add(parcel.subject.position)
            self._written.wrote(at)

    def name(self, subject: Record) -> str:
        return str(subject.position)
