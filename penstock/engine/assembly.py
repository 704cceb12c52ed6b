"""Puts a worker together from a topology, a handler, a broker and a clock. No choice of broker is made here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.broker.contract import Broker, GroupSettings
from penstock.clock import Clock
from penstock.engine.assignment import Assignment
from penstock.engine.attempt import Surroundings
from penstock.engine.committer import Committer
from penstock.engine.counters import Counters
from penstock.engine.dispatch import Dispatch
from penstock.engine.executor import Executor
from penstock.engine.hand_off import HandOff
from penstock.engine.handler import Handler, import_class
from penstock.engine.intake import Intake
from penstock.engine.own_topics import OwnTopics
from penstock.engine.partition import PartitionState
from penstock.engine.parts import Parts, Switch
from penstock.engine.pool import Pool
from penstock.engine.report import AttemptReport
from penstock.engine.retry_policy import RetryPolicy
from penstock.engine.run import Run
from penstock.engine.settle import Settle
from penstock.engine.suspects import Suspects
from penstock.engine.worker import Worker
from penstock.record import TopicPartition
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener, run_id
from penstock.schema.typing import converter
from penstock.topology.derived import replay_topic
from penstock.topology.model import Processor, Topology

if TYPE_CHECKING:
    import httpx

DEFAULT_POLL_INTERVAL = 300.0


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
) -> Worker:
    """A worker ready to run. Asks the cluster for its id; raises BrokerUnavailable, HandlerError."""
    cluster = await broker.admin().cluster()
    poll_interval = float(topology.kafka.get("max.poll.interval.ms", DEFAULT_POLL_INTERVAL * 1000)) / 1000
    member = broker.member(_group(topology, processor, client_id, poll_interval))
    producer = broker.producer(client_id)
    counters, switch, codec = Counters(), Switch(), Codec(topology)
    partitions: dict[TopicPartition, PartitionState] = {}
    dispatch = Dispatch(processor.concurrency, clock.monotonic)

    pool = Pool(processor.concurrency, switch.fail)
    opener = Opener(topology, processor.group_id, codec)
    identify = _identifier(opener, processor.group_id, cluster.id)
    policy = RetryPolicy(processor, _never(processor, topology.directory), topology.directory)
    own_topics = OwnTopics(processor, broker.admin(), topology.internal_topics)
    hand_off = HandOff(producer, counters, own_topics.restore)
    committer = Committer(member, partitions, counters)
    suspects = Suspects(committer, processor.concurrency, switch.put)
    intake = Intake(
        member,
        partitions,
        dispatch,
        suspects,
        counters,
        clock,
        processor.concurrency,
        lambda: pool.wake(dispatch.waiting),
    )
    shared = Surroundings(
        topology,
        processor,
        codec,
        lambda event: run_id(event, event.record, processor.group_id, cluster.id),
        producer.send,
        http or _no_http,
        logging.getLogger(f"penstock.app.{processor.name}"),
        clock,
    )
    executor = Executor(
        shared,
        handler,
        policy,
        opener,
        converter(handler.data_type),
        switch.wedged,
        name_all=observe is not None,
    )
    settle = Settle(
        processor,
        hand_off,
        policy,
        clock,
        counters,
        identify,
        own_topics.tier,
        own_topics.hop,
        _holder(clock, intake, switch),
    )
    grace = min(processor.stop_grace_period, poll_interval / 2)
    assignment = Assignment(
        processor,
        partitions,
        dispatch,
        intake,
        committer,
        suspects,
        counters,
        grace,
        switch.fail,
    )
    parts = Parts(
        processor=processor,
        handler=handler,
        member=member,
        producer=producer,
        partitions=partitions,
        dispatch=dispatch,
        intake=intake,
        committer=committer,
        suspects=suspects,
        assignment=assignment,
        executor=executor,
        hand_off=hand_off,
        settle=settle,
        own_topics=own_topics,
        pool=pool,
        counters=counters,
        identify=identify,
        switch=switch,
    )
    return Worker(parts, clock, observe)


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


def _holder(clock: Clock, intake: Intake, switch: Switch) -> Callable[[Run, float], None]:
    """Puts a run off inside its own lane, in memory: it keeps the lane and gives back its slot."""
    import asyncio

    def again(run: Run) -> None:
        intake.held -= 1
        switch.put(run)

    def hold(run: Run, delay: float) -> None:
        intake.held += 1
        run.due = clock.now() + delay
        asyncio.get_running_loop().call_later(delay, again, run)

    return hold


def _no_http() -> Any:
    raise RuntimeError("this worker was built without an HTTP client")
