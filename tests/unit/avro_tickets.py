"""What the tests of Avro share: a schema, data that fits it, and codecs made from schema files."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from penstock.schema.codec import Codec
from penstock.topology.model import Topic, Topology

TICKET: dict[str, Any] = {
    "type": "record",
    "name": "Ticket",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "priority", "type": {"type": "enum", "name": "Priority", "symbols": ["LOW", "HIGH"]}},
        {"name": "tries", "type": ["null", "int"], "default": None},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "fee", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "notes", "type": {"type": "map", "values": "double"}, "default": {}},
    ],
}
GOOD: dict[str, Any] = {
    "id": "t-1",
    "priority": "HIGH",
    "tries": 3,
    "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "fee": Decimal("12.50"),
    "tags": ["a", "b"],
    "notes": {"x": 1.5},
}

App = Callable[..., Codec]


def codecs(tmp_path: Path) -> App:
    """Writes schema files and gives a codec for them: current ones by type, older ones by (type, number)."""

    def make(history: dict[tuple[str, int], Any] | None = None, /, **current: Any) -> Codec:
        types = {}
        for name, schema in current.items():
            types[name] = Path(f"schemas/{name}.avsc")
            (tmp_path / "schemas").mkdir(exist_ok=True)
            (tmp_path / types[name]).write_text(json.dumps(schema))
        for (name, number), schema in (history or {}).items():
            folder = tmp_path / "schemas" / "history" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.avsc").write_text(json.dumps(schema))
        return Codec(Topology(name="app", directory=tmp_path, topics={"t": Topic(name="t", types=types)}))

    return make


def headers(dataschema: str | None) -> list[tuple[str, bytes | None]]:
    return [] if dataschema is None else [("ce_dataschema", dataschema.encode())]
