"""A record that is still the client's message: what is asked for seldom, or late, is read from it then."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message

from penstock.record import Headers, Record, TopicPartition


class Received(Record):
    """One record as confluent-kafka delivered it."""

    __slots__ = ("_message",)

    def __init__(self, source: TopicPartition, offset: int, message: Message[Any, Any]) -> None:
        self.source = source
        self.offset = offset
        self.key = message.key()
        self.value = message.value()
        self._message = message

    @property
    def timestamp(self) -> int:
        """See Record."""
        return self._message.timestamp()[1]

    @property
    def headers(self) -> Headers:
        """See Record. The message keeps the pairs once they were opened."""
        return self._message.headers() or ()  # type: ignore[return-value]  # the stubs know less of what it gives
