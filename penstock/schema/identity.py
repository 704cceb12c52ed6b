"""Names that are the same each time they are worked out: run ids and the ids of emitted events (UUIDv5, RFC 9562).

The name of a run is a JSON array, so that no two different runs share one: `["run", group, source, id]`, or without a
`ce_id` `["run", group, cluster, topic, partition, offset, timestamp]`; a replay from the log adds its id at the end.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final
from uuid import UUID

import orjson

from penstock import headers as wire
from penstock.event import Event
from penstock.record import Record
from penstock.topology.derived import dead_letter_topic, replay_topic, retry_prefix

NAMESPACE: Final = UUID("6f1d3a52-6c0b-5d0e-9d0f-0b6f3f9f7c11")  # penstock's own; changing it changes every run id
_SPACE: Final = NAMESPACE.bytes
_UUID_SIZE: Final = 16
_VARIANTS: Final = {digit: f"{int(digit, 16) & 0x3 | 0x8:x}" for digit in "0123456789abcdef"}


def is_own_topic(group_id: str, topic: str) -> bool:
    """Whether it is one of the group's retry, replay or dead letter topics: only there are our headers believed."""
    if not topic.startswith(group_id):  # nearly always, and quickly said
        return False
    own = (replay_topic(group_id), dead_letter_topic(group_id))
    return topic in own or topic.startswith(retry_prefix(group_id))


def run_id(event: Event[Any], record: Record, group_id: str, cluster_id: str, replay_id: str | None = None) -> str:
    """The id of the run of this event in this group: equal for duplicates, redelivery, attempts and replay.

    On the group's own topics the header says it. `record` is where `event` was opened from; `replay_id` makes the
    runs of a replay from the log new ones.
    """
    if is_own_topic(group_id, record.topic):
        said = wire.text(record.headers, wire.RUN_ID)
        if said:
            return said
    name: tuple[str | int, ...]
    texts = event.texts
    if said := texts.get(wire.CE_ID):
        name = ("run", group_id, texts.get(wire.CE_SOURCE) or event.source, said)
    elif event.record.header(wire.CE_ID):
        name = ("run", group_id, event.source, event.id)
    else:
        origin = event.origin
        name = ("run", group_id, cluster_id, origin.topic, origin.partition, origin.offset, origin.timestamp)
    return uuid5(_SPACE, orjson.dumps((*name, replay_id) if replay_id else name))


def emitted_id(run: str, topic: str, index: int) -> str:
    """The id of the run's emitted event number `index` (from 0) to `topic`: the same when the run is done again."""
    try:
        space = bytes.fromhex(run.replace("-", ""))  # as nearly all are; UUID() takes ten times as long
        if len(space) != _UUID_SIZE:
            space = UUID(run).bytes
    except ValueError:  # a run id from elsewhere, believed because of where it stood
        space = UUID(uuid5(_SPACE, run.encode())).bytes
    return uuid5(space, f"{topic}/{index}".encode())


def uuid5(space: bytes, name: bytes) -> str:
    """UUIDv5 as text; the standard library's takes three times as long, and this runs once per event."""
    digits = hashlib.sha1(space + name, usedforsecurity=False).hexdigest()
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
