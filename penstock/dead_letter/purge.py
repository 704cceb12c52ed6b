"""Purges the oldest part of a dead letter topic: Kafka can truncate a partition, and delete no single record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.broker.contract import Broker
from penstock.dead_letter.entries import read
from penstock.dead_letter.handled import Handled
from penstock.dead_letter.ranges import Point, between, whole, widened
from penstock.record import TopicPartition
from penstock.topology.derived import dead_letter_topic


@dataclass(frozen=True, slots=True)
class PurgePlan:
    """What a purge removes: everything below `before`. `waiting` of the `removed` were neither replayed nor discarded.

    `oldest` and `newest` are epoch milliseconds, None where nothing is removed.
    """

    before: Mapping[TopicPartition, int]
    removed: int
    waiting: int
    oldest: int | None
    newest: int | None


async def plan_purge(broker: Broker, group_id: str, *, before: Point, replayable: bool = True) -> PurgePlan:
    """What `purge` would remove: the prefix before the first entry at or after a time, or before an offset.

    Raises TopicMissing, and PenstockError for an offset where the dead letter topic has several partitions.
    """
    admin = broker.admin()
    handled = Handled(broker, group_id, replayable=replayable)
    await handled.refresh()
    prefix = await between(admin, await whole(admin, dead_letter_topic(group_id)), None, before)
    removed = waiting = 0
    span: tuple[int, int] | None = None
    async for letter in read(broker, prefix):
        removed += 1
        waiting += not handled.of(letter.position, letter.run_id)
        span = widened(span, letter.time)
    cut = {partition: last for partition, (first, last) in prefix.items() if last > first}
    oldest, newest = span or (None, None)
    return PurgePlan(cut, removed, waiting, oldest, newest)


async def purge(broker: Broker, plan: PurgePlan) -> None:
    """Truncate as planned. There is no way back."""
    if plan.before:
        await broker.admin().delete_records(plan.before)
