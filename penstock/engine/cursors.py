"""Where a source is: its cursor as a record of the compacted topic `<name>.cursors`, key the connector's name.

The value is JSON: `cursor`, what the source itself said; `epoch`, which grows with each new owner; `owner`. The highest
epoch holds, and of that the last record: what a former owner writes late changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from penstock.broker.contract import Broker, Producer
from penstock.contracts import Cursor
from penstock.errors import SendFailed, SendRefused
from penstock.record import Outgoing, Record, TopicPartition

log = logging.getLogger("penstock.source")
_AGAIN = 0.5  # seconds until a cursor that was not taken is written again


@dataclass(frozen=True, slots=True)
class Kept:
    """One cursor as it was kept."""

    cursor: Cursor = None
    epoch: int = 0
    owner: str = ""


def read_kept(record: Record) -> Kept | None:
    """The cursor in a record; None where it is not one."""
    try:
        found = json.loads(record.value or b"")
        return Kept(found["cursor"], int(found["epoch"]), str(found["owner"]))
    except (ValueError, KeyError, TypeError):
        return None


async def load_kept(broker: Broker, topic: str, connector: str) -> Kept:
    """The cursor that holds for a connector. Raises BrokerUnavailable."""
    where = TopicPartition(topic, 0)
    ends = (await broker.admin().ends([where]))[where]
    best = Kept()
    async with aclosing(broker.reader().scan({where: (ends.low, ends.high)})) as records:
        async for record in records:
            if record.key == connector.encode() and (found := read_kept(record)) and found.epoch >= best.epoch:
                best = found
    return best


class Keeper:
    """Writes the cursors of one owner: the latest is written, one write under way at a time."""

    def __init__(self, producer: Producer, topic: str, connector: str, kept: Kept) -> None:
        """`kept` is what holds now, with the epoch and name of this owner."""
        self._producer = producer
        self._topic = topic
        self._key = connector.encode()
        self._latest = kept
        self._written: Kept | None = None
        self._task: asyncio.Task[None] | None = None
        self.active = True

    @property
    def cursor(self) -> Cursor:
        """The latest, written or about to be."""
        return self._latest.cursor

    @property
    def epoch(self) -> int:
        """This owner's."""
        return self._latest.epoch

    def keep(self, cursor: Cursor) -> None:
        """Have `cursor` written soon. Raises TypeError where JSON cannot say it."""
        json.dumps(cursor)
        self._latest = Kept(cursor, self._latest.epoch, self._latest.owner)
        self.write()

    def write(self) -> None:
        """Write the latest, now or right after what is under way."""
        self._written = None
        if self._task is None and self.active:
            self._task = asyncio.get_running_loop().create_task(self._write_all())

    async def flush(self) -> None:
        """Wait until the latest is written, or this owner is one no more."""
        while self._task is not None and self.active:
            await asyncio.wait({self._task})

    async def _write_all(self) -> None:
        try:
            while self.active and self._written is not self._latest:
                latest = self._latest
                value: Mapping[str, Any] = {"cursor": latest.cursor, "epoch": latest.epoch, "owner": latest.owner}
                try:
                    await self._producer.send(Outgoing(self._topic, self._key, json.dumps(value).encode(), partition=0))
                except (SendFailed, SendRefused) as error:  # Kafka is away, or a right is missing: both can pass
                    log.error("cannot write the cursor to %s: %s; it is written again", self._topic, error)
                    await asyncio.sleep(_AGAIN)
                    continue
                self._written = latest
        finally:
            self._task = None


def is_own(record: Record, connector: str) -> bool:
    """Whether a record of the topic is about this connector."""
    return record.key == connector.encode()
