"""An event as a caller offers it, however the request spelled it: the one form that is checked and sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What the caller said; None where nothing was said.

    `data` is the parsed JSON; `raw` the bytes as they came, where they came alone, with their `content_type`. Data
    that is no JSON has only `raw`. `extensions` are CloudEvents attributes that penstock has no name for.
    """

    data: Any = None
    raw: bytes | None = None
    content_type: str = JSON
    id: str | None = None
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    time: datetime | None = None
    dataschema: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    tenant: str | None = None
    traceparent: str | None = None
    partition_key: str | None = None
    extensions: tuple[tuple[str, str], ...] = ()

    @property
    def is_json(self) -> bool:
        """Whether the data is JSON, and so stands in `data`."""
        return is_json(self.content_type)


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON by its name (RFC 6839: `+json` too)."""
    kind = media(content_type)
    return kind == JSON or kind.endswith(("/json", "+json"))


def media(content_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
