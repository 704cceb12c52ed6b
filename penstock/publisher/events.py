"""From what a caller says to the record that is sent: topic and type checked, key and id found, times and ids given."""

from __future__ import annotations

import difflib
import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, TypedDict

from penstock.clock import Clock
from penstock.errors import (
    BrokerUnavailable,
    CodecError,
    PenstockError,
    SendFailed,
    SendRefused,
    TopicMissing,
    Unencodable,
)
from penstock.record import Outgoing
from penstock.schema.codec import Codec
from penstock.schema.sealing import seal
from penstock.topology.model import Topology

Selector: TypeAlias = str | Callable[[Any], Any] | None
_ABSENT: Final[Any] = object()
_WHAT_TO_DO: Final[Mapping[type[PenstockError], str]] = {
    SendFailed: "see that the topic exists (penstock apply makes it) and its replicas are in sync; then send again",
    SendRefused: "change the event, or the rights and limits of the topic; sending it again as it is will not help",
}


class Attributes(TypedDict, total=False):
    """What may be said of every event beside its data and key.

    `type` is the topic's unless said; `traceparent` is made where there is none; `time` is now.
    """

    type: str | None
    subject: str | None
    time: datetime | None
    headers: Mapping[str, str | bytes | None] | None
    correlation_id: str | None
    causation_id: str | None
    tenant: str | None
    traceparent: str | None


class EventAttributes(Attributes, total=False):
    """What may be said of one event. `id` is what makes a repeated send the same event; random unless said."""

    id: str | None


class Events:
    """Makes records of events for one topology (or none) and one source."""

    def __init__(self, topology: Topology | None, source: str, clock: Clock) -> None:
        self._topology = topology
        self._codec = Codec(topology)
        self._source = source
        self._clock = clock

    def check(self, topic: str) -> None:
        """Raises TopicMissing where there is a topology and the topic is not in it."""
        if self._topology is None or topic in self._topology.topics:
            return
        close = difflib.get_close_matches(topic, self._topology.topics, 1)
        hint = f"did you mean {close[0]}?" if close else "declare it under topics, or publish without a topology"
        raise TopicMissing(f"topic {topic} is not in the topology {self._topology.name}", hint)

    def seal(self, topic: str, data: Any, key: Any, said: EventAttributes) -> Outgoing:
        """The record of one event. Raises Unencodable where it does not fit, ValueError for a reserved header."""
        given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        type_ = self._codec.type_for(topic, given.pop("type", None))
        given["id"] = str(given.get("id", uuid.uuid4()))
        given.setdefault("time", datetime.fromtimestamp(self._clock.now(), UTC))
        given.setdefault("traceparent", f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01")
        return seal(self._codec, topic=topic, data=data, key=key, type=type_, source=self._source, **given)


def select(item: Any, selector: Selector, what: str) -> Any:
    """What `selector` finds in an event's data: a function of it, or a field's path such as `customer.id`.

    Raises Unencodable where the field is missing.
    """
    if selector is None:
        return None
    if callable(selector):
        return selector(item)
    found = item
    for step in selector.removeprefix("data.").split("."):
        found = found.get(step, _ABSENT) if isinstance(found, Mapping) else getattr(found, step, _ABSENT)
        if found is _ABSENT:
            raise Unencodable(f"data has no {selector}, which was to be the {what}", "every event needs it")
    return found


def named(error: PenstockError, topic: str, key: Any, index: int | None = None, note: str = "") -> PenstockError:
    """The same error, its message naming the record it is about."""
    number = "" if index is None else f" {index}"
    which = f"event{number} for topic {topic} (key {_short(key)})"
    verb = "does not fit" if isinstance(error, CodecError) else "was not sent"
    found = type(error)(f"{which} {verb}: {error.message}{note}", error.hint or _WHAT_TO_DO.get(type(error), ""))
    found.__cause__ = error
    return found


def unanswered(timeout: float) -> BrokerUnavailable:
    """What to say when the broker did not acknowledge in time."""
    hint = "check bootstrap.servers and the broker; what was sent may still arrive, so give id= and send again"
    return BrokerUnavailable(f"the broker did not acknowledge within {timeout:g} s", hint)


def _short(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 80 else f"{text[:77]}..."
