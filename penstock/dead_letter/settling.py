"""Settles chosen entries: one record in the replay topic for each that still waits when its turn comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.dead_letter.entries import DeadLetter
from penstock.dead_letter.handled import Handled
from penstock.dead_letter.selection import Selection, chosen
from penstock.dead_letter.sending import Pace, Parcel, Tally, write
from penstock.errors import BrokerError
from penstock.event import Origin
from penstock.record import Header, Outgoing, Position
from penstock.topology.derived import replay_topic

CLIENT: Final = "penstock-replay"


@dataclass(frozen=True, slots=True)
class Target:
    """Where one command writes: the replay topic, its partitions, and the command's own id."""

    topic: str
    partitions: int
    replay_id: str

    def partition(self, origin: Origin | None) -> int | None:
        """The origin's partition where the replay topic has it; else None, and the key decides."""
        return origin.partition if origin is not None and 0 <= origin.partition < self.partitions else None


@dataclass(frozen=True, slots=True)
class Result:
    """How a command went. `contested` of its entries were written by another command at the same time too.

    None where that could not be found out: the command was interrupted, or the log not read afterwards.
    """

    replay_id: str
    tally: Tally
    contested: int | None = 0


async def settle(
    broker: Broker,
    selection: Selection,
    replay_id: str,
    outgoing: Callable[[DeadLetter, Target], Outgoing],
    *,
    pace: Pace,
    progress: Callable[[int], None],
) -> Result:
    """Write `outgoing` of every chosen entry that the replay topic does not know yet, in the entries' order."""
    handled = Handled(broker, selection.group_id)
    await handled.refresh()
    target = Target(replay_topic(selection.group_id), handled.partitions, replay_id)

    async def parcels() -> AsyncIterator[Parcel[DeadLetter]]:
        async for letter in chosen(broker, selection):
            yield Parcel(letter, outgoing(letter, target))

    producer = broker.producer(CLIENT)
    try:
        tally = await write(producer, parcels(), _Unsettled(handled), pace, progress)
    finally:
        await producer.close()
    return Result(replay_id, tally, None if tally.interrupted else await _contested(handled, replay_id))


async def _contested(handled: Handled, replay_id: str) -> int | None:
    try:
        await handled.refresh()
    except BrokerError:  # all is written and acknowledged: no reason to call the command a failure
        return None
    return handled.contested(replay_id)


def note(letter: DeadLetter, replay_id: str) -> list[Header]:
    """The headers by which the replay topic remembers an entry."""
    run = [] if letter.run_id is None else [wire.line(wire.RUN_ID, letter.run_id)]
    return [*run, wire.line(wire.REPLAY_ID, replay_id), wire.line(wire.DLT_POSITION, str(letter.position))]


def origin_lines(origin: Origin) -> list[Header]:
    """The four headers that say where a record first stood."""
    return [
        wire.line(wire.ORIGIN_TOPIC, origin.topic),
        wire.line(wire.ORIGIN_PARTITION, origin.partition),
        wire.line(wire.ORIGIN_OFFSET, origin.offset),
        wire.line(wire.ORIGIN_TIMESTAMP, origin.timestamp),
    ]


class _Unsettled:
    """An entry waits as long as the replay topic says nothing about it."""

    def __init__(self, handled: Handled) -> None:
        self._handled = handled

    async def waiting(self, parcels: Sequence[Parcel[DeadLetter]]) -> Sequence[Parcel[DeadLetter]]:
        await self._handled.refresh()
        return [parcel for parcel in parcels if not self._handled.of(parcel.subject.position, parcel.subject.run_id)]

    def wrote(self, parcel: Parcel[DeadLetter], at: Position) -> None:
        self._handled.note(parcel.record.headers)
        self._handled.wrote(at)

    def name(self, subject: DeadLetter) -> str:
        return str(subject.position)
