"""What waits in a dead letter topic, grouped by cause, in memory that does not grow with the topic."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from penstock.broker.contract import Broker
from penstock.dead_letter.entries import DeadLetter, Declared, Filters, list_entries

PAGE = 200  # entries listed


@dataclass
class Cause:
    """Entries with one fingerprint. Times are epoch milliseconds."""

    fingerprint: str
    error_type: str
    message: str
    reason: str
    count: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Inbox:
    """Causes, the most frequent first, and the newest entries; `count` is how many wait in all."""

    causes: tuple[Cause, ...]
    entries: tuple[DeadLetter, ...]
    count: int


async def inbox_of(broker: Broker, group_id: str, filters: Filters, declared: Declared) -> Inbox:
    """What waits in the group's dead letter topic. Raises TopicMissing."""
    causes: dict[str, Cause] = {}
    newest: list[DeadLetter] = []
    count = 0
    entries: AsyncGenerator[DeadLetter, None] = list_entries(broker, group_id, filters=filters, declared=declared)
    async with aclosing(entries) as letters:
        async for letter in letters:
            count += 1
            newest.append(letter)
            if len(newest) >= 2 * PAGE:
                newest = newest[-PAGE:]
            _count(causes, letter)
    ordered = sorted(causes.values(), key=lambda cause: (-cause.count, cause.fingerprint))
    return Inbox(tuple(ordered), tuple(reversed(newest[-PAGE:])), count)


def _count(causes: dict[str, Cause], letter: DeadLetter) -> None:
    found = causes.get(letter.fingerprint)
    if found is None:
        causes[letter.fingerprint] = Cause(
            letter.fingerprint, letter.error_type, letter.error_message, letter.reason, 1, letter.time, letter.time
        )
        return
    found.count += 1
    found.first, found.last = min(found.first, letter.time), max(found.last, letter.time)
