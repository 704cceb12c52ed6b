"""Puts a worker together from a topology, a handler, a broker and a clock. No choice of broker is made here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.broker.contract import Broker, GroupMember, GroupSettings, Producer
from penstock.clock import Clock
from penstock.contracts import ProcessorMemory
from penstock.engine.assignment import Assignment
from penstock.engine.attempt import Surroundings
from penstock.engine.batch import in_batches
from penstock.engine.committer import Committer
from penstock.engine.counters import Counters
from penstock.engine.dispatch import Dispatch
from penstock.engine.executor import Executor
from penstock.engine.flow import FlowControl
from penstock.engine.hand_off import HandOff
from penstock.engine.handler import Handler, import_class
from penstock.engine.intake import Intake
from penstock.engine.own_topics import OwnTopics
from penstock.engine.partition import PartitionState
from penstock.engine.parts import Parts, Switch
from penstock.engine.pool import Pool
from penstock.engine.remembering import Remembering
from penstock.engine.report import AttemptReport, Recorder
from penstock.engine.retry_policy import RetryPolicy
from penstock.engine.run import Run
from penstock.engine.settle import Settle
from penstock.engine.suspects import Suspects
from penstock.engine.valve import Valve
from penstock.engine.worker import Worker
from penstock.record import TopicPartition
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.schema.identity import run_id
from penstock.schema.typing import converter
from penstock.topology.derived import replay_topic
from penstock.topology.model import Processor, Topology

if TYPE_CHECKING:
    import httpx

DEFAULT_POLL_INTERVAL = 300.0


@dataclass(frozen=True)
class _Ground:
    """What all parts of one worker stand on."""

    topology: Topology
    processor: Processor
    clock: Clock
    cluster_id: str
    poll_interval: float
    member: GroupMember
    producer: Producer
    opener: Opener
    policy: RetryPolicy
    flow: FlowControl
    own_topics: OwnTopics
    valve: Valve
    dispatch: Dispatch
    codec: Codec
    counters: Counters
    switch: Switch
    partitions: dict[TopicPartition, PartitionState]


async def build(
    topology: Topology,
    processor: Processor,
    handler: Handler,
    broker: Broker,
    clock: Clock,
    *,
    client_id: str = "penstock",
    observe: Callable[[AttemptReport], None] | None = None,
    http: Callable[[], httpx.AsyncClient] | None = None,
    counters: Counters | None = None,
    recorder: Recorder | None = None,
    wrap: Callable[[Handler], Handler] | None = None,
    memory: ProcessorMemory | None = None,
) -> Worker:
    """A worker ready to run. Asks the cluster for its id; raises BrokerUnavailable, HandlerError."""
    ground = await _ground(topology, processor, broker, clock, client_id, counters or Counters())
    if processor.batch is not None:
        handler = in_batches(handler, processor, clock.monotonic)
    if memory is not None:
        handler = replace(handler, call=Remembering(handler.call, memory, threaded=handler.threaded))
    if wrap is not None:
        handler = wrap(handler)
    executor = _executor(ground, handler, http or _no_http, name_all=observe is not None)
    return Worker(_parts(ground, handler, executor), clock, observe, recorder)


async def _ground(
    topology: Topology, processor: Processor, broker: Broker, clock: Clock, client_id: str, counters: Counters
) -> _Ground:
    cluster = await broker.admin().cluster()
    poll_interval = float(topology.kafka.get("max.poll.interval.ms", DEFAULT_POLL_INTERVAL * 1000)) / 1000
    codec = Codec(topology, waits=False)
    if codec.registry is not None:
        outputs = (*((processor.output,) if processor.output else ()), *processor.emits)
        await asyncio.to_thread(codec.prepare, outputs)
    valve, switch = Valve(), Switch()
    dispatch = Dispatch(processor.concurrency, clock.monotonic, valve)
    partitions: dict[TopicPartition, PartitionState] = {}
    flow = FlowControl(processor, topology.limits, valve, dispatch, counters, partitions, clock)
    flow.wake = switch.wake
    return _Ground(
        topology=topology,
        processor=processor,
        clock=clock,
        cluster_id=cluster.id,
        poll_interval=poll_interval,
        member=broker.member(_group(topology, processor, client_id, poll_interval)),
        producer=broker.producer(client_id),
        opener=Opener(topology, processor.group_id, codec),
        policy=RetryPolicy(processor, _never(processor, topology.directory), topology.directory.resolve(), flow),
        flow=flow,
        own_topics=OwnTopics(processor, broker.admin(), topology.internal_topics),
        valve=valve,
        dispatch=dispatch,
        codec=codec,
        counters=counters,
        switch=switch,
        partitions=partitions,
    )


def _executor(ground: _Ground, handler: Handler, http: Callable[[], httpx.AsyncClient], *, name_all: bool) -> Executor:
    group, cluster_id = ground.processor.group_id, ground.cluster_id
    shared = Surroundings(
        ground.topology,
        ground.processor,
        ground.codec,
        lambda event: run_id(event, event.record, group, cluster_id),
        ground.producer.send,
        http,
        logging.getLogger(f"penstock.app.{ground.processor.name}"),
        ground.clock,
        ground.counters,
    )
    convert = converter(handler.data_type)
    return Executor(shared, handler, ground.policy, ground.opener, convert, ground.switch.wedged, name_all=name_all)


def _parts(ground: _Ground, handler: Handler, executor: Executor) -> Parts:
    processor, counters, switch = ground.processor, ground.counters, ground.switch
    pool = Pool(processor.concurrency, switch.fail)
    committer = Committer(ground.member, ground.partitions, counters, ground.dispatch.highest)
    suspects = Suspects(committer, processor.concurrency, ground.dispatch, switch.put, switch.wake)
    intake = _intake(ground, suspects)
    hand_off = HandOff(ground.producer, counters, ground.own_topics.restore)
    identify = _identifier(ground.opener, processor.group_id, ground.cluster_id)
    return Parts(
        processor=processor,
        handler=handler,
        member=ground.member,
        producer=ground.producer,
        partitions=ground.partitions,
        dispatch=ground.dispatch,
        intake=intake,
        committer=committer,
        suspects=suspects,
        assignment=_assignment(ground, intake, committer, suspects),
        executor=executor,
        hand_off=hand_off,
        settle=_settle(ground, hand_off, identify),
        own_topics=ground.own_topics,
        pool=pool,
        counters=counters,
        identify=identify,
        switch=switch,
        valve=ground.valve,
        flow=ground.flow,
    )


def _intake(ground: _Ground, suspects: Suspects) -> Intake:
    dispatch = ground.dispatch
    return Intake(
        ground.member,
        ground.partitions,
        dispatch,
        suspects,
        ground.counters,
        ground.clock,
        ground.processor.concurrency,
        ground.switch.wake,
        ground.valve,
    )


def _assignment(ground: _Ground, intake: Intake, committer: Committer, suspects: Suspects) -> Assignment:
    return Assignment(
        ground.processor,
        ground.partitions,
        ground.dispatch,
        intake,
        committer,
        suspects,
        ground.counters,
        min(ground.processor.stop_grace_period, ground.poll_interval / 2),
        ground.switch.book,
        ground.switch.fail,
    )


def _settle(ground: _Ground, hand_off: HandOff, identify: Callable[[Run], str]) -> Settle:
    return Settle(
        ground.processor,
        hand_off,
        ground.policy,
        ground.clock,
        ground.counters,
        identify,
        ground.own_topics.tier,
        ground.own_topics.hop,
        _holder(ground.clock, ground.switch),
    )


def _group(topology: Topology, processor: Processor, client_id: str, poll_interval: float) -> GroupSettings:
    return GroupSettings(
        group_id=processor.group_id,
        client_id=client_id,
        start_from=processor.start_from,
        always_earliest=(replay_topic(processor.group_id),),
        failover=processor.failover,
        max_poll_interval=poll_interval,
        settings=topology.kafka,
    )


def _never(processor: Processor, directory: Path) -> tuple[type[BaseException], ...]:
    return tuple(import_class(dotted, directory) for dotted in processor.retry.never)


def _identifier(opener: Opener, group_id: str, cluster_id: str) -> Callable[[Run], str]:
    def identify(run: Run) -> str:
        if not run.run_id:
            run.run_id = run_id(opener.glance(run.record), run.record, group_id, cluster_id)
        return run.run_id

    return identify


def _holder(clock: Clock, switch: Switch) -> Callable[[Run, float], None]:
    """Puts a run off inside its own lane, in memory: it keeps the lane and gives back its slot."""
    import asyncio

    def again(run: Run) -> None:
        run.partition.held -= 1
        switch.put(run)

    def hold(run: Run, delay: float) -> None:
        run.partition.held += 1
        run.due = clock.now() + delay
        asyncio.get_running_loop().call_later(delay, again, run)

    return hold


def _no_http() -> Any:
    raise RuntimeError("this worker was built without an HTTP client")
