"""The parts of a worker, and how they are wired: built once, bound to the worker's own steps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from penstock.broker.contract import GroupMember, Producer
from penstock.engine.assignment import Assignment
from penstock.engine.committer import Committer
from penstock.engine.counters import Counters
from penstock.engine.dispatch import Dispatch
from penstock.engine.executor import Executor
from penstock.engine.flow import FlowControl
from penstock.engine.hand_off import HandOff
from penstock.engine.handler import Handler
from penstock.engine.intake import Intake
from penstock.engine.own_topics import OwnTopics
from penstock.engine.partition import PartitionState
from penstock.engine.pool import Pool
from penstock.engine.run import Run
from penstock.engine.settle import Settle
from penstock.engine.suspects import Suspects
from penstock.engine.valve import Valve
from penstock.errors import BrokerError
from penstock.record import TopicPartition
from penstock.topology.model import Processor

log = logging.getLogger("penstock.worker")


class Steps(Protocol):
    """The worker's own steps that its parts call."""

    def wake(self) -> None:
        """Let what is ready begin."""
        ...

    def put(self, run: Run) -> None:
        """Queue a run that already has its lane."""
        ...

    def book(self) -> bool:
        """Book the runs that have ended; whether there were any."""
        ...

    def fail(self, error: BaseException) -> None:
        """End the worker with an error, after committing what is finished."""
        ...

    def wedged(self, run: Run) -> None:
        """A thread will not end: the process must."""
        ...


class Switch:
    """Stands for the worker while its parts are built, and passes on to it afterwards."""

    steps: Steps

    def wake(self) -> None:
        """See Steps."""
        self.steps.wake()

    def put(self, run: Run) -> None:
        """See Steps."""
        self.steps.put(run)

    def book(self) -> bool:
        """See Steps."""
        return self.steps.book()

    def fail(self, error: BaseException) -> None:
        """See Steps."""
        self.steps.fail(error)

    def wedged(self, run: Run) -> None:
        """See Steps."""
        self.steps.wedged(run)


@dataclass(frozen=True)
class Parts:
    """Everything a worker is made of."""

    processor: Processor
    handler: Handler
    member: GroupMember
    producer: Producer
    partitions: dict[TopicPartition, PartitionState]
    dispatch: Dispatch
    intake: Intake
    committer: Committer
    suspects: Suspects
    assignment: Assignment
    executor: Executor
    hand_off: HandOff
    settle: Settle
    own_topics: OwnTopics
    pool: Pool
    counters: Counters
    identify: Callable[[Run], str]
    switch: Switch
    valve: Valve
    flow: FlowControl

    async def subscribe_again(self, subscribed: list[str]) -> list[str]:
        """Look up which retry topics exist now, and change the subscription where that changed."""
        try:
            topics, missing = await self.own_topics.look_up()
        except BrokerError as error:
            log.warning("cannot look up topics: %s", error)
            return subscribed
        if missing:
            log.error("missing topics: %s; run `penstock apply` to create them", ", ".join(missing))
        if set(topics) != set(subscribed):
            self.member.subscribe(topics)
        return topics
