"""The records that a run emitted, as bytes to be kept with its fence, and back."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import orjson

from penstock.record import Outgoing


def fence_bytes(emitted: Sequence[Outgoing]) -> bytes:
    """JSON; keys, values and headers byte for byte."""
    return orjson.dumps(
        [
            [one.topic, one.partition, _said(one.key), _said(one.value), [[k, _said(v)] for k, v in one.headers]]
            for one in emitted
        ]
    )


def emitted_of(kept: bytes) -> tuple[Outgoing, ...]:
    """The same, read."""
    return tuple(
        Outgoing(topic, _heard(key), _heard(value), tuple((k, _heard(v)) for k, v in headers), partition)
        for topic, partition, key, value, headers in orjson.loads(kept)
    )


def _said(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _heard(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
