"""Each kind of option in words and as JSON Schema; the reference and the editors' schema are both made from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
VARIABLE_PATTERN: Final = r"\$\{"
_VARIABLE: Final = {"type": "string", "pattern": VARIABLE_PATTERN}
_SECRET: Final = {"type": "string", "pattern": r"\$\{|^file:."}
_SCALAR: Final = {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True, slots=True)
class KindShape:
    """A kind: one word for the reference table, one sentence for its legend, and the JSON Schema of a value."""

    word: str
    sentence: str
    schema: Mapping[str, Any] = field(default_factory=dict)


def _or_variable(*schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*schemas, _VARIABLE]}


def bounded(kind: str) -> bool:
    """Whether `least` and `most` of this kind are plain numbers that JSON Schema can hold."""
    return kind in {"count", "number"}


KINDS: Final[Mapping[str, KindShape]] = MappingProxyType(
    {
        "text": KindShape("text", "Any text; in quotes where it looks like a number.", {"type": "string"}),
        "name": KindShape(
            "name",
            "Letters, digits, `.`, `_` and `-`, at most 249 of them.",
            _or_variable({"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,249}$"}),
        ),
        "flag": KindShape("true or false", "`true` or `false`.", _or_variable({"type": "boolean"})),
        "count": KindShape("whole number", "Digits only.", _or_variable({"type": "integer"})),
        "duration": KindShape(
            "duration",
            "A number with its unit: `500ms`, `5s`, `10m`, `24h`, `7d`, or joined: `1h30m`. Only `0` needs no unit.",
            _or_variable({"const": 0}, {"type": "string", "pattern": DURATION_PATTERN}),
        ),
        "size": KindShape(
            "size",
            "Bytes, or a number with its unit: `512KiB`, `64MiB`, `1GiB`.",
            _or_variable({"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)$"}),
        ),
        "number": KindShape("number", "For example `2.5`.", _or_variable({"type": "number"})),
        "rate": KindShape(
            "rate",
            "So many a second, minute, hour or day: `10/s`, `500/m`, `200k/m`, `2M/d`.",
            _or_variable({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *[kM]? */ *[smhd]$"}),
        ),
        "share": KindShape(
            "share",
            "A part of the whole in percent: `50%`.",
            _or_variable({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *%$"}),
        ),
        "start": KindShape(
            "start",
            "`earliest`, `latest`, or a time with its zone: `2026-01-31T08:00:00Z`.",
            _or_variable(
                {"enum": ["earliest", "latest"]}, {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]"}
            ),
        ),
        "choice": KindShape("one of", "One of the words given.", {"type": "string"}),
        "texts": KindShape("list of texts", "`[one, two]`.", {"type": "array", "items": {"type": "string"}}),
        "path": KindShape("path", "A file; relative paths begin at the topology's folder.", {"type": "string"}),
        "paths": KindShape(
            "map of paths", "Each entry a path.", {"type": "object", "additionalProperties": {"type": "string"}}
        ),
        "settings": KindShape(
            "map of settings",
            "Kafka's own dotted names, each with one value.",
            {"type": "object", "additionalProperties": _SCALAR},
        ),
        "secret": KindShape("secret", "`${NAME}`, or `file:/run/secrets/name`; never the secret itself.", _SECRET),
        "secrets": KindShape(
            "map of secrets", "Each entry a secret, by name.", {"type": "object", "additionalProperties": _SECRET}
        ),
        "free": KindShape("free map", "Anything, by name.", {"type": "object"}),
        "section": KindShape("section", "A map with the keys of its own table.", {}),
        "sections": KindShape("map of sections", "By name; each with the keys of its own table.", {}),
        "memories": KindShape("map of memories", "By name; `type` chooses the table that holds.", {}),
        "connectors": KindShape("map of connectors", "By name; `type` chooses the table that holds.", {}),
    }
)


def title(section: type) -> str:
    """The name of a section in the reference: `InternalTopics` → `internal topics`, a connector's by its `type`."""
    for word in ("connector", "memory"):
        if chosen := getattr(section, word, ""):
            return f"{word} {chosen}"
    return re.sub(r"(?<!^)(?=[A-Z])", " ", section.__name__).lower()
