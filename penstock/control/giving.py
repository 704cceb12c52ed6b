"""Gives a command, unless it is already so; it holds when the broker has it. Reads state and audit."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from penstock.broker.contract import Broker
from penstock.control.commands import Command, ControlState
from penstock.errors import PenstockError, TopicMissing
from penstock.record import Outgoing, TopicPartition
from penstock.topology.derived import control_topic
from penstock.topology.model import Topology

_CANCEL_AGAIN: Final = 60_000  # ms: a run that was replayed since may be cancelled anew
CANCEL_HOLDS: Final = 8 * 86_400_000  # ms: longer than any retry topic keeps a run waiting


@dataclass(frozen=True, slots=True)
class Given:
    """What became of a command. `before` already said the same (the command itself: it never was otherwise).

    Where there is one, nothing was written.
    """

    command: Command
    before: Command | None


async def read_control(topology: Topology, broker: Broker) -> ControlState:
    """How things shall be now, and who said so. Raises TopicMissing, BrokerUnavailable."""
    where = await control_partition(topology, broker)
    ends = (await broker.admin().ends([where]))[where]
    state = ControlState()
    async with aclosing(broker.reader().scan({where: (ends.low, ends.high)})) as records:
        async for record in records:
            state.hear(record)
    return state


async def control_partition(topology: Topology, broker: Broker) -> TopicPartition:
    """The one partition of the control topic. Raises TopicMissing."""
    topic = control_topic(topology.name)
    if topic not in await broker.admin().topics([topic]):
        raise TopicMissing(f"there is no control topic {topic}", "`penstock apply` creates it")
    return TopicPartition(topic, 0)


async def give(topology: Topology, broker: Broker, command: Command) -> Given:
    """Write a command, unless what it says already holds. Raises PenstockError for a processor that is unknown.

    Two operators at once may both write: the same twice is one change, and of two that differ the later one in the
    topic holds for every worker.
    """
    if command.action != "cancel" and command.target not in topology.processors:
        known = ", ".join(sorted(topology.processors)) or "none"
        raise PenstockError(f"there is no processor {command.target!r}", f"there are: {known}")
    state = await read_control(topology, broker)
    before = state.same(command)
    if before is not None and not (command.action == "cancel" and command.at > before.at + _CANCEL_AGAIN):
        return Given(command, before)
    producer = broker.producer("penstock-control")
    try:
        topic = control_topic(topology.name)
        for record in (*command.records(topic), *_forgotten(state, topic, command.at)):
            await producer.send(record)
    finally:
        await producer.close()
    return Given(command, None)


def _forgotten(state: ControlState, topic: str, now: int) -> list[Outgoing]:
    """Cancellations that can no longer meet their run are taken out of the state (not of the audit)."""
    old = [one for one in state.cancelled() if now - one.at > CANCEL_HOLDS]
    return [Outgoing(topic, one.key.encode(), None, partition=0) for one in old]
