"""Writes to a replay topic, window by window: looked at again right before, paced, acknowledged, never past a failure.

A window is written, then awaited whole, before the next is looked at. So an interrupted command leaves at most one
window in doubt, and what the broker has of that window is in the replay topic, where the next command finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar

from penstock.broker.contract import Producer
from penstock.clock import Clock
from penstock.errors import BrokerError, SendRefused
from penstock.record import Outgoing, Position

T = TypeVar("T")
WINDOW: Final = 200  # records outstanding at most
WINDOW_BYTES: Final = 8 << 20  # and their bytes, of keys and values
REFUSALS_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Parcel(Generic[T]):
    """One record to write, and what it is written for."""

    subject: T
    record: Outgoing


@dataclass(frozen=True, slots=True)
class Tally:
    """How a command went. `refused` names the first records the broker will never take, `refusals` counts them.

    `passed_over` were settled by somebody else in the meantime. `interrupted` says why it stopped early, '' where
    it did not: the same command, given again, goes on where this one stopped.
    """

    written: int = 0
    passed_over: int = 0
    refusals: int = 0
    refused: tuple[str, ...] = ()
    interrupted: str = ""


class Window(Protocol[T]):
    """What the writer asks about the records of one window. All subjects are of one command."""

    async def waiting(self, parcels: Sequence[Parcel[T]]) -> Sequence[Parcel[T]]:
        """Those that still need writing, by a look at the log made now."""
        ...

    def wrote(self, parcel: Parcel[T], at: Position) -> None:
        """The broker has it."""
        ...

    def name(self, subject: T) -> str:
        """What to call it in a message."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `rate` records a second (None: as fast as the broker takes them), by this clock."""

    clock: Clock
    rate: float | None = None

    @property
    def window(self) -> int:
        """Records of one window: at most a second's worth, so that the look before it stays fresh."""
        return WINDOW if self.rate is None else max(1, min(WINDOW, int(self.rate)))

    async def until(self, due: float) -> None:
        """Wait for this moment (monotonic)."""
        if (ahead := due - self.clock.monotonic()) > 0:
            await asyncio.sleep(ahead)

    def after(self, count: int) -> float:
        """The moment at which `count` records that begin now have taken their time."""
        return self.clock.monotonic() + (count / self.rate if self.rate else 0.0)


async def write(
    producer: Producer,
    parcels: AsyncIterator[Parcel[T]],
    window: Window[T],
    pace: Pace,
    progress: Callable[[int], None],
) -> Tally:
    """Write all parcels; `progress` is told after each window how many records it dealt with.

    A broker that fails ends it early, as a tally that says so; no BrokerError is raised.
    """
    tally = Tally()
    due = pace.after(0)
    try:
        async for bunch in _windows(parcels, pace.window):
            await pace.until(due)
            waiting = await window.waiting(bunch)
            due = pace.after(len(waiting))
            tally = replace(tally, passed_over=tally.passed_over + len(bunch) - len(waiting))
            tally = await _write_window(producer, waiting, window, tally)
            progress(len(bunch))
            if tally.interrupted:
                return tally
    except BrokerError as error:  # the log could not be read: nothing of this window was written
        return replace(tally, interrupted=str(error))
    return tally


async def _windows(parcels: AsyncIterator[Parcel[T]], most: int) -> AsyncIterator[list[Parcel[T]]]:
    bunch: list[Parcel[T]] = []
    size = 0
    async for parcel in parcels:
        bunch.append(parcel)
        size += parcel.record.size
        if len(bunch) >= most or size >= WINDOW_BYTES:
            yield bunch
            bunch, size = [], 0
    if bunch:
        yield bunch


def _heard(future: asyncio.Future[Position]) -> None:
    """Look at the error, so that asyncio does not complain of it where we were cancelled and nobody else looks."""
    if not future.cancelled():
        future.exception()


async def _write_window(producer: Producer, parcels: Sequence[Parcel[T]], window: Window[T], tally: Tally) -> Tally:
    if not parcels:
        return tally
    sent = [producer.send(parcel.record) for parcel in parcels]
    for future in sent:
        future.add_done_callback(_heard)
    await asyncio.wait(sent)  # unlike gather, this leaves them alone when we are cancelled
    written, refused, interrupted = 0, [], ""
    for parcel, future in zip(parcels, sent, strict=True):
        error = future.exception()
        if error is None:
            window.wrote(parcel, future.result())
            written += 1
        elif isinstance(error, SendRefused):
            refused.append(f"{window.name(parcel.subject)}: {error}")
        elif isinstance(error, BrokerError):
            interrupted = interrupted or str(error)
        else:
            raise error
    return Tally(
        tally.written + written,
        tally.passed_over,
        tally.refusals + len(refused),
        (*tally.refused, *refused)[:REFUSALS_KEPT],
        interrupted,
    )
