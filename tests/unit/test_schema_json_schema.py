"""JSON Schema beside Avro: checked on the way out and in, with the path; records of an older schema are still read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.clock import SystemClock
from penstock.errors import TopologyError, Undecodable, Unencodable, UnknownSchema
from penstock.publisher.events import Events
from penstock.schema import json_schema
from penstock.schema.codec import Codec
from penstock.schema.formats import urn
from penstock.topology.model import Topology
from penstock.topology.reader import read

ORDER: dict[str, Any] = {
    "title": "Order",
    "type": "object",
    "required": ["id", "lines"],
    "properties": {
        "id": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
    },
    "$defs": {"line": {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}},
}
GOOD = {"id": "o-1", "lines": [{"price": 2}]}
App = Callable[..., Topology]


@pytest.fixture
def app(tmp_path: Path) -> App:
    """A topology read from files: the current schema, and former ones by number."""

    def make(current: Any, **history: Any) -> Topology:
        folder = tmp_path / "schemas" / "history" / "order.placed"
        folder.mkdir(parents=True)
        (tmp_path / "schemas" / "order.json").write_text(current if isinstance(current, str) else json.dumps(current))
        for number, schema in history.items():
            (folder / f"{number.removeprefix('v')}.json").write_text(json.dumps(schema))
        (tmp_path / "topology.yaml").write_text(
            "version: 1\nname: shop\ntopics:\n  orders: { type: order.placed, schema: schemas/order.json }\n"
        )
        return read(tmp_path / "topology.yaml", {})

    return make


def test_the_value_is_plain_json_and_names_its_schema(app: App) -> None:
    value, content_type, dataschema = Codec(app(ORDER)).encode("order.placed", GOOD)
    assert json.loads(value or b"") == GOOD
    assert content_type == "application/json"
    assert dataschema == urn(json_schema.parse("order.placed", json.dumps(ORDER).encode()))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"id": 5}, "data.id"),
        ({"lines": [{"price": 1}, {"price": -1}]}, "data.lines[1].price"),
        ({"at": "yesterday"}, "data.at"),
        ({"lines": None}, "data.lines"),
    ],
)
def test_what_does_not_fit_is_refused_on_both_ways_with_its_path(app: App, change: dict[str, Any], path: str) -> None:
    codec = Codec(app(ORDER))
    with pytest.raises(Unencodable, match=path.replace("[", r"\[")):
        codec.encode("order.placed", {**GOOD, **change})
    with pytest.raises(Undecodable, match=path.replace("[", r"\[")):
        codec.decode("order.placed", json.dumps({**GOOD, **change}).encode())


def test_a_publisher_refuses_before_anything_is_sent(app: App) -> None:
    events = Events(app(ORDER), "test", SystemClock())
    with pytest.raises(Unencodable, match="id"):
        events.seal("orders", {"lines": []}, None, {})


def test_a_record_of_last_months_schema_is_still_read(app: App) -> None:
    older = {**ORDER, "required": ["lines"]}
    codec = Codec(app(ORDER, v1=older))
    said = [("ce_dataschema", urn(json_schema.parse("order.placed", json.dumps(older).encode())).encode())]
    assert codec.decode("order.placed", b'{"lines":[]}', said) == {"lines": []}
    with pytest.raises(Undecodable):  # it fits neither
        codec.decode("order.placed", b'{"lines":3}', said)
    with pytest.raises(Undecodable):  # without the header it is judged by the current one
        codec.decode("order.placed", b'{"lines":[]}')


def test_a_schema_not_deployed_here_yet_is_waited_for_only_where_it_matters(app: App) -> None:
    codec = Codec(app(ORDER))
    said = [("ce_dataschema", b"urn:penstock:schema:order.placed:" + b"0" * 64)]
    assert codec.decode("order.placed", json.dumps(GOOD).encode(), said) == GOOD
    with pytest.raises(UnknownSchema, match="000"):
        codec.decode("order.placed", b'{"id":7,"lines":[]}', said)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "not a JSON Schema"),
        ("[1]", "must be an object"),
        ("{", "not JSON"),
        ({"$ref": "https://example.com/other.json"}, "example.com"),
    ],
)
def test_lint_names_a_file_that_is_none_and_fetches_nothing(app: App, schema: Any, words: str) -> None:
    with pytest.raises(TopologyError, match=words) as caught:
        app(schema)
    assert "topology.yaml:4:" in str(caught.value)


def test_a_description_changes_no_digest_and_a_rule_does() -> None:
    assert json_schema.digest(ORDER) == json_schema.digest({**ORDER, "description": "An order."})
    assert json_schema.digest(ORDER) != json_schema.digest({**ORDER, "required": []})
