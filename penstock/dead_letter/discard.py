"""Discards dead letters: the entry stays where it is (Kafka removes no single record) and is not offered again."""

from __future__ import annotations

from collections.abc import Callable

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.clock import Clock, SystemClock
from penstock.dead_letter.entries import DeadLetter
from penstock.dead_letter.selection import Selection
from penstock.dead_letter.sending import Pace
from penstock.dead_letter.settling import Result, Target, note, settle
from penstock.record import Outgoing


async def discard(
    broker: Broker,
    selection: Selection,
    *,
    replay_id: str,
    progress: Callable[[int], None] = lambda _count: None,
    clock: Clock | None = None,
) -> Result:
    """Write a marker for each chosen entry to the replay topic; workers skip markers. As safe to repeat as a replay."""
    pace = Pace(clock or SystemClock())
    return await settle(broker, selection, replay_id, discarded, pace=pace, progress=progress)


def discarded(letter: DeadLetter, target: Target) -> Outgoing:
    """The marker: no value, and the partition a replay would go to."""
    headers = [*note(letter, target.replay_id), wire.line(wire.DISCARDED, 1)]
    return Outgoing(target.topic, letter.record.key, None, headers, target.partition(letter.origin))
