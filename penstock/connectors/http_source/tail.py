"""Follows reply, dead letter and progress topics, so that this instance can answer for events another one took."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import aclosing
from typing import Final

from penstock import headers as wire
from penstock.broker.contract import Admin, Broker
from penstock.connectors.http_source.board import Board
from penstock.errors import BrokerError
from penstock.record import Record
from penstock.schema import structured
from penstock.schema.envelope import Opener
from penstock.topology.derived import dead_letter_topic, progress_topic
from penstock.topology.model import Topology

log = logging.getLogger("penstock.gateway")

_OVERLAP: Final = 60_000  # ms read twice when the tail begins anew: clocks of writers differ
_MISSING_EVERY: Final = 30.0  # seconds between two looks for a topic that was not there
_PAUSE: Final = 1.0


class Clerk:
    """Knows which topic says what, and writes it to the board."""

    def __init__(self, topology: Topology, entry: str, replies: Collection[str], board: Board, opener: Opener) -> None:
        letters = [dead_letter_topic(processor.group_id) for processor in topology.processors.values()]
        self._enter: dict[str, Callable[[str, Record], None]] = {
            **dict.fromkeys(letters, board.died),
            progress_topic(topology.name): board.progressed,
            **dict.fromkeys(replies, board.answered),
        }
        self.topics = tuple(self._enter)
        self.entry = entry
        self._board = board
        self._opener = opener

    def note(self, record: Record, only: Collection[str] | None = None) -> None:
        """Write down what the record says of its correlation id; `only` those ids where given."""
        id_ = self.id_of(record)
        if only is not None and id_ not in only:
            return
        if record.topic in self._enter:
            self._enter[record.topic](id_, record)
        if record.topic == self.entry:
            self._board.accepted(id_)

    def id_of(self, record: Record) -> str:
        """The correlation id of a record."""
        headers = record.headers
        found = wire.text(headers, wire.CE_CORRELATION_ID) or wire.text(headers, wire.CE_ID)
        content_type = record.header(wire.CONTENT_TYPE)
        if found is None or (content_type is not None and structured.is_structured(content_type)):
            return self._opener.glance(record).correlation_id
        return found


class Tail:
    """Follows the clerk's topics from `since` (epoch ms) on, through every disturbance."""

    def __init__(self, broker: Broker, clerk: Clerk, since: int) -> None:
        self._broker = broker
        self._clerk = clerk
        self._since = since - _OVERLAP
        self.trouble = ""  # why it does not follow now

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow(self._broker.admin())
            except BrokerError as error:
                if not self.trouble:
                    log.warning("replies cannot be followed: %s; results are looked up meanwhile", error)
                self.trouble = str(error)
                await asyncio.sleep(_PAUSE)

    async def _follow(self, admin: Admin) -> None:
        """Until it breaks off; or, where a topic is missing, until it is time to look again."""
        there = set(await admin.topics(self._clerk.topics))
        missing = set(self._clerk.topics) - there
        try:
            async with asyncio.timeout(_MISSING_EVERY if missing else None):
                if not there:
                    await asyncio.Event().wait()
                async with aclosing(self._broker.reader().tail(there, from_time_ms=self._since)) as records:
                    self.trouble = ""
                    async for record in records:
                        self._clerk.note(record)
                        self._since = max(self._since, record.timestamp - _OVERLAP)
        except TimeoutError:
            return
