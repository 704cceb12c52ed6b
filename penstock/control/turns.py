"""One at a time: who replays or discards dead letters of a processor has the turn, and whoever comes meanwhile is told.

The control topic has one partition, so it orders all claims: of those made at the same moment the first in the log has
the turn, and it says so. A claim lapses by itself when its holder died: it is renewed while the holder lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Final

from penstock.broker.contract import Broker, Producer
from penstock.clock import Clock
from penstock.control.commands import TURN, VERSION, Command
from penstock.control.giving import control_partition
from penstock.errors import BrokerError, PenstockError, TopicMissing
from penstock.record import Outgoing, Record, TopicPartition
from penstock.topology.model import Topology

LAPSES: Final = 30.0  # seconds after the last renewal; clocks of operators must not differ by more
_RENEWED: Final = 10.0  # seconds


class NotYourTurn(PenstockError):
    """Somebody else is at it."""


@dataclass(frozen=True, slots=True)
class _Claim:
    id: str
    action: str
    target: str
    by: str
    until: int  # epoch milliseconds
    held: bool  # whether it is known to be the first

    def record(self, topic: str) -> Outgoing:
        value = json.dumps({"v": VERSION, **asdict(self)}, ensure_ascii=False).encode()
        return Outgoing(topic, self.key, value, partition=0)

    @property
    def key(self) -> bytes:
        return f"{TURN}{self.target}/{self.id}".encode()


@asynccontextmanager
async def turn(topology: Topology, broker: Broker, command: Command, clock: Clock) -> AsyncIterator[None]:
    """Have the turn for `command.target` while inside; the audit's line is written once it is ours.

    Raises NotYourTurn where somebody else has it, TopicMissing where there is no control topic, BrokerError.
    """
    where = await control_partition(topology, broker)
    producer = broker.producer("penstock-control")
    claim = _Claim(command.id, command.action, command.target, command.by, 0, held=False)

    async def say(*, held: bool) -> None:
        until = round((clock.now() + LAPSES) * 1000)
        await producer.send(replace(claim, until=until, held=held).record(where.topic))

    try:
        await say(held=False)
        try:
            other = await _other(broker, where, claim, clock)
            if other is not None:
                raise NotYourTurn(
                    f"{other.by} is at it ({other.action} for {other.target}); nothing was done",
                    f"wait for it to end, then give it again; where it died, its claim lapses within {LAPSES:g} s",
                )
            await say(held=True)
            await producer.send(command.line(where.topic))
            async with _renewing(say):
                yield
        finally:
            await _give_back(producer, claim, where.topic)
    finally:
        await producer.close()


@asynccontextmanager
async def recorded_turn(
    topology: Topology, broker: Broker, command: Command, clock: Clock, unrecorded: Callable[[str], None]
) -> AsyncIterator[None]:
    """As `turn`; where there is no control topic, `unrecorded` is told so and the deed goes on all the same."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(turn(topology, broker, command, clock))
        except TopicMissing as error:
            unrecorded(f"this is not on the audit: {error.message}; {error.hint}")
        yield


async def _other(broker: Broker, where: TopicPartition, mine: _Claim, clock: Clock) -> _Claim | None:
    """Whose claim goes before mine: one that is held, or stands earlier in the log."""
    ends = (await broker.admin().ends([where]))[where]
    live: dict[bytes, _Claim] = {}  # in the order of their last word
    async with aclosing(broker.reader().scan({where: (ends.low, ends.high)})) as records:
        async for record in records:
            key = record.key or b""
            if not key.startswith(f"{TURN}{mine.target}/".encode()):
                continue
            claim = _read(record)
            if claim is None:
                live.pop(key, None)
            else:
                live[key] = claim
    now = clock.now() * 1000
    there = [one for one in live.values() if one.until > now]
    before = there[: next((at for at, one in enumerate(there) if one.id == mine.id), len(there))]
    return next((one for one in there if one.held and one.id != mine.id), before[0] if before else None)


def _read(record: Record) -> _Claim | None:
    try:
        found = json.loads(record.value or b"null")
        return _Claim(
            found["id"], found["action"], found["target"], found["by"], int(found["until"]), held=bool(found["held"])
        )
    except (ValueError, KeyError, TypeError):
        return None


@asynccontextmanager
async def _renewing(say: Callable[..., Awaitable[None]]) -> AsyncIterator[None]:
    async def renew() -> None:
        while True:
            await asyncio.sleep(_RENEWED)
            with contextlib.suppress(BrokerError):  # Kafka is away: the deed finds that out itself
                await say(held=True)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def _give_back(producer: Producer, claim: _Claim, topic: str) -> None:
    with contextlib.suppress(BrokerError):  # it lapses by itself
        await producer.send(Outgoing(topic, claim.key, None, partition=0))
