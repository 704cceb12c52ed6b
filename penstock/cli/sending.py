"""Send entries in order, so many at once at most, at most so fast, and say how far it came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from penstock.broker.contract import Broker
from penstock.cli.entries import Entry
from penstock.errors import PenstockError
from penstock.record import Position
from penstock.topology.model import Topology

if TYPE_CHECKING:
    from penstock.cli.loads import Load
    from penstock.publisher.events import EventAttributes, Events

SOURCE: Final = "penstock-send"  # ce_source of what is sent by hand
WINDOW: Final = 500  # sent and not acknowledged, at most
CHECKPOINT: Final = 5000  # entries between two notes of how far a load has come
_PAUSE: Final = 0.005  # seconds; sleeping less than this costs more than it paces


@dataclass(frozen=True, slots=True)
class Order:
    """What holds for every entry of one command."""

    topic: str
    type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    rate: float | None = None  # events per second


@dataclass(slots=True)
class Sent:
    """How far it came: acknowledged positions as ranges, and what stopped it ('' where nothing did)."""

    count: int = 0
    problem: str = ""
    first: dict[tuple[str, int], int] = field(default_factory=dict)
    last: dict[tuple[str, int], int] = field(default_factory=dict)

    def add(self, position: Position) -> None:
        """One more is acknowledged."""
        at = (position.topic, position.partition)
        self.count += 1
        self.first[at] = min(self.first.get(at, position.offset), position.offset)
        self.last[at] = max(self.last.get(at, position.offset), position.offset)

    def ranges(self) -> list[str]:
        """`topic/partition@first` or `topic/partition@first-last`, by partition."""
        return [
            f"{topic}/{number}@{first}" + ("" if first == self.last[topic, number] else f"-{self.last[topic, number]}")
            for (topic, number), first in sorted(self.first.items())
        ]


Send = Callable[[Entry], Awaitable[Position]]


async def send_all(
    topology: Topology, broker: Broker, order: Order, found: Iterator[Entry], load: Load | None = None
) -> Sent:
    """Send until the end, or until an entry is invalid or refused; what was sent before it stays sent.

    A `load` goes on where it stopped, and notes how far it comes.
    """
    from penstock.publisher import AsyncPublisher

    if load is not None:
        found = await load.begin(broker, found)

    async with AsyncPublisher(topology, source=SOURCE, broker=broker) as publisher:

        def send(entry: Entry) -> Awaitable[Position]:
            return publisher.send(order.topic, entry.data, key=entry.key, **_attributes(order, entry))

        return await pump(found, send, order.rate, load)


def _attributes(order: Order, entry: Entry) -> EventAttributes:
    type_ = entry.type or order.type
    return {"type": type_, "id": entry.id, "time": entry.time, "headers": order.headers}


async def pump(found: Iterator[Entry], send: Send, rate: float | None = None, load: Load | None = None) -> Sent:
    """Call `send` for each entry, in order, with a bounded window of acknowledgements outstanding."""
    result = Sent()
    waiting: deque[tuple[Entry, asyncio.Future[Position]]] = deque()
    begun = asyncio.get_running_loop().time()
    try:
        for number, entry in enumerate(found):
            if rate:
                await _until(begun + number / rate)
            waiting.append((entry, asyncio.ensure_future(send(entry))))
            await asyncio.sleep(0)  # begins it: entries are sent in the order of their lines
            while len(waiting) >= WINDOW or (waiting and waiting[0][1].done()):
                await _settle(waiting, result)
            if load is not None and (number + 1) % CHECKPOINT == 0:
                await _all(waiting, result)
                if not result.problem:
                    load.reached(entry.line, result.last)
            if result.problem:
                break
    except PenstockError as error:
        result.problem = str(error)
    await _all(waiting, result)
    if load is not None and not result.problem:
        load.finished()
    return result


async def _all(waiting: deque[tuple[Entry, asyncio.Future[Position]]], result: Sent) -> None:
    while waiting:
        await _settle(waiting, result)


async def _settle(waiting: deque[tuple[Entry, asyncio.Future[Position]]], result: Sent) -> None:
    entry, sent = waiting.popleft()
    try:
        result.add(await sent)
    except PenstockError as error:
        result.problem = result.problem or f"line {entry.line}: {error}"


async def _until(due: float) -> None:
    rest = due - asyncio.get_running_loop().time()
    if rest > _PAUSE:
        await asyncio.sleep(rest)


def check(topology: Topology, order: Order, found: Iterator[Entry]) -> Sent:
    """What a dry run does: make every record and send none; stops at the first that cannot be."""
    from penstock.clock import SystemClock
    from penstock.publisher.events import Events

    events, result = Events(topology, SOURCE, SystemClock()), Sent()
    try:
        events.check(order.topic)
        for entry in found:
            _seal(events, order, entry)
            result.count += 1
    except PenstockError as error:
        result.problem = str(error)
    return result


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise ValueError where a header's name is reserved for what penstock writes itself."""
    from penstock.schema.codec import Codec
    from penstock.schema.sealing import seal

    seal(Codec(), topic="any", data=None, key=None, type="", source=SOURCE, id="any", headers=headers)


def _seal(events: Events, order: Order, entry: Entry) -> None:
    try:
        events.seal(order.topic, entry.data, entry.key, _attributes(order, entry))
    except PenstockError as error:
        raise PenstockError(f"line {entry.line}: {error.message}", error.hint) from error
