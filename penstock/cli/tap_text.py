"""How a tapped record reads: one line for people, one JSON object for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Protocol

from penstock.errors import CodecError
from penstock.event import Event
from penstock.record import Record


class Opens(Protocol):
    """Turns a record into an event; schema/envelope.py's Opener."""

    def open(self, record: Record) -> Event[Any]:
        """Raises CodecError."""
        ...


def values(record: Record, opener: Opens) -> dict[str, Any]:
    """The record opened, as JSON-able values; `error` instead of `data` where it cannot be decoded."""
    from penstock.cli.output import plain

    written = datetime.fromtimestamp(record.timestamp / 1000, tz=UTC)
    found: dict[str, Any] = {"position": str(record.position), "written": written.isoformat()}
    try:
        event = opener.open(record)
    except CodecError as error:
        return found | {
            "key": plain(record.key),
            "headers": _headers(record),
            "error": str(error),
            "value": plain(record.value),
        }
    return found | {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": event.time.isoformat(),
        "key": plain(event.key),
        "headers": _headers(record),
        "data": plain(event.data),
    }


def _headers(record: Record) -> dict[str, Any]:
    from penstock.cli.output import plain

    return {name: plain(value) for name, value in record.headers}


def line(found: dict[str, Any]) -> str:
    """One line: when, where, type, key, data."""
    local = datetime.fromisoformat(found["written"]).astimezone()
    when = local.strftime("%H:%M:%S.") + f"{local.microsecond // 1000:03d}"
    said = f"cannot be decoded: {found['error']}" if "error" in found else json.dumps(found["data"], ensure_ascii=False)
    key = "-" if found["key"] is None else found["key"]
    return f"{when}  {found['position']}  {found.get('type') or '-'}  {key}  {said}"
