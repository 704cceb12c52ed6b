"""A worker's ear: hears the control topic before the worker joins its group and while it runs, and moves its levers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from penstock.broker.contract import Broker
from penstock.clock import Clock
from penstock.control.commands import Command, ControlState
from penstock.control.giving import CANCEL_HOLDS, read_control
from penstock.engine.levers import Levers
from penstock.errors import BrokerError, TopicMissing
from penstock.topology.derived import control_topic
from penstock.topology.model import Topology

log = logging.getLogger("penstock.control")
_AGAIN: Final = 2.0  # seconds until the topic is looked for again
_OVERLAP: Final = 60_000  # ms that a tail begins earlier than the look before it: clocks differ


class Follower:
    """Keeps one worker as the operators want it."""

    def __init__(self, topology: Topology, processor: str, broker: Broker, levers: Levers, clock: Clock) -> None:
        self._topology = topology
        self._processor = processor
        self._broker = broker
        self._levers = levers
        self._clock = clock
        self._state = ControlState()
        self._moved: dict[str, str] = {}  # key -> id of the command that was carried out

    async def load(self) -> None:
        """Read how things shall be. A topic that is missing, or a broker that is away, leaves them as they are."""
        try:
            self._state = await read_control(self._topology, self._broker)
        except TopicMissing as error:
            log.warning("%s: %s", error.message, error.hint)
        except BrokerError as error:
            log.warning("cannot hear the operators: %s", error)
        self._move()

    async def follow(self) -> None:
        """Hear for ever; after a break everything is read again, so that nothing is missed."""
        topic = control_topic(self._topology.name)
        while True:
            since = round(self._clock.now() * 1000) - _OVERLAP
            try:
                async with aclosing(self._broker.reader().tail([topic], from_time_ms=since)) as records:
                    async for record in records:
                        if self._state.hear(record) is not None:
                            self._move()
            except TopicMissing:
                pass  # said at the start; `penstock apply` may come
            except BrokerError as error:
                log.warning("cannot hear the operators: %s; trying again", error)
            await asyncio.sleep(_AGAIN)
            if topic in await self._existing(topic):
                await self.load()

    async def _existing(self, topic: str) -> set[str]:
        try:
            return set(await self._broker.admin().topics([topic]))
        except BrokerError:
            return set()

    def _move(self) -> None:
        """Carry out what is not carried out yet."""
        for command in list(self._state.holds.values()):
            if self._moved.get(command.key) != command.id and self._concerns(command):
                self._moved[command.key] = command.id
                self._carry_out(command)

    def _concerns(self, command: Command) -> bool:
        if command.action == "cancel":
            return command.at > self._clock.now() * 1000 - CANCEL_HOLDS
        return command.target == self._processor

    def _carry_out(self, command: Command) -> None:
        levers = self._levers
        if command.action == "pause":
            levers.pause(command.by)
        elif command.action == "resume":
            levers.resume()
        elif command.action == "set":
            levers.set_concurrency(command.value)
        else:
            levers.cancel(command.target, command.by, command.at)
        told = f" ({command.reason})" if command.reason else ""
        what = "" if command.action != "set" else f" concurrency={command.value or 'default'}"
        log.warning("%s %s%s by %s%s", command.action, command.target, what, command.by, told)


@asynccontextmanager
async def following(
    topology: Topology, processor: str, broker: Broker, levers: Levers, clock: Clock
) -> AsyncIterator[Follower]:
    """The follower of one worker, which has heard everything when this is entered, and hears on while inside."""
    follower = Follower(topology, processor, broker, levers, clock)
    await follower.load()
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
