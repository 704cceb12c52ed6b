"""Replays one dead letter with other data: mended by hand, encoded as its type says, everything else as it was."""

from __future__ import annotations

import difflib

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.clock import Clock, SystemClock
from penstock.dead_letter.entries import DeadLetter
from penstock.dead_letter.replay import replayed
from penstock.dead_letter.selection import Selection
from penstock.dead_letter.sending import Pace
from penstock.dead_letter.settling import Result, Target, settle
from penstock.errors import PenstockError
from penstock.record import Header, Outgoing
from penstock.schema.codec import Codec, Encoded

_OF_THE_VALUE = (wire.CONTENT_TYPE, wire.CE_DATASCHEMA, wire.VALUE_SCHEMA_ID)


async def replay_mended(
    broker: Broker,
    codec: Codec,
    group_id: str,
    letter: DeadLetter,
    data: object,
    *,
    replay_id: str,
    clock: Clock | None = None,
) -> Result:
    """Write the group's entry with `data` to its replay topic, unless it was replayed or discarded meanwhile.

    Raises Unencodable where the data does not fit its schema, PenstockError for an entry that no worker wrote.
    """
    if letter.origin is None:
        raise PenstockError("no worker wrote this entry: it does not say where it first stood", "discard it instead")
    encoded = codec.encode(letter.event_type, data, letter.origin.topic)

    def outgoing(one: DeadLetter, target: Target) -> Outgoing:
        plain = replayed(one, target)
        return plain._replace(value=encoded.value, headers=[*_kept(plain), *_described(encoded)])

    selection = Selection(
        group_id=group_id,
        positions=frozenset([letter.position]),
        by_reason={letter.reason: 1},
        by_type={letter.event_type: 1},
        by_error={letter.error_type: 1},
        oldest=letter.time,
        newest=letter.time,
        refused={},
    )
    pace = Pace(clock or SystemClock(), None)
    return await settle(broker, selection, replay_id, outgoing, pace=pace, progress=lambda _count: None)


def difference(before: str, after: str) -> list[str]:
    """What is taken away and what is put in its place, line by line; nothing where they are equal."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm=""))


def _kept(record: Outgoing) -> list[Header]:
    return [one for one in record.headers if one[0] not in _OF_THE_VALUE]


def _described(encoded: Encoded) -> list[Header]:
    said = ((wire.CONTENT_TYPE, encoded.content_type), (wire.CE_DATASCHEMA, encoded.dataschema))
    return [wire.line(name, value) for name, value in said if value]
