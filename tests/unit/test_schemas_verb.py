"""`penstock schemas`: check, add and ls against the history beside the topology; plan refuses what breaks consumers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from penstock.broker.in_memory.keeper import InMemoryBroker
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.deploy.observe import make_plan
from penstock.topology.reader import read

A, B, B_WITH_DEFAULT = (
    {"name": "a", "type": "int"},
    {"name": "b", "type": "string"},
    {"name": "b", "type": "string", "default": ""},
)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "handlers.py").write_text("async def bill(event): ...\n")
    topology = (
        "version: 1\nname: shop\ntopics:\n"
        "  orders: { type: order.placed, schema: schemas/order.avsc, compatibility: LEVEL }\n"
        "processors:\n  billing: { handler: 'handlers:bill', topics: [orders] }\n"
        "  other: { handler: 'handlers:bill', topics: [orders], types: [something.else] }\n"
    )
    (tmp_path / "topology.yaml").write_text(topology.replace("LEVEL", "backward"))
    return tmp_path


def write(app: Path, *fields: Any) -> None:
    (app / "schemas" / "order.avsc").write_text(
        json.dumps({"type": "record", "name": "Order", "fields": [*fields]}, indent=1)
    )


def level(app: Path, name: str) -> None:
    path = app / "topology.yaml"
    path.write_text(path.read_text().replace("compatibility: backward", f"compatibility: {name}"))


def run(app: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["schemas", *words, "-f", str(app)], catch_exceptions=False)


def test_a_schema_is_recorded_once_and_listed(app: Path) -> None:
    write(app, A)
    assert "not yet" in run(app, "ls").stdout
    assert "would be recorded" in run(app, "add", "--dry-run").stdout
    assert "recorded as" in run(app, "add").stdout
    assert (app / "schemas/history/order.placed/1.avsc").read_bytes() == (app / "schemas/order.avsc").read_bytes()
    assert "nothing to do" in run(app, "add", "order.placed").stdout
    (row,) = json.loads(run(app, "ls", "-o", "json").stdout)
    assert (row["type"], row["topics"], row["history"], row["recorded"]) == ("order.placed", ["orders"], 1, True)
    assert run(app, "add", "order.paid").exit_code == 2


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        ([A], [A, B], {"backward": True, "forward": False, "full": True, "none": False}),
        ([A, B], [A], {"backward": False, "forward": True, "full": True, "none": False}),
        ([A], [A, B_WITH_DEFAULT], {"backward": False, "forward": False, "full": False, "none": False}),
    ],
)
def test_each_level_refuses_what_it_should_and_names_who_breaks(
    app: Path, before: Any, after: Any, broken: dict[str, bool]
) -> None:
    write(app, *before)
    run(app, "add")
    write(app, *after)
    for name, expected in broken.items():
        level(app, name)
        found = run(app, "check")
        (app / "topology.yaml").write_text((app / "topology.yaml").read_text().replace(f": {name} }}", ": backward }"))
        assert found.exit_code == (1 if expected else 0), name
        assert ("it would break billing on orders" in found.stdout) == expected
        assert "other" not in found.stdout


def test_nothing_is_recorded_where_it_would_break(app: Path) -> None:
    write(app, A)
    run(app, "add")
    write(app, A, B)
    assert run(app, "add").exit_code == 1
    assert not (app / "schemas/history/order.placed/2.avsc").exists()
    write(app, A, B_WITH_DEFAULT)
    assert run(app, "add").exit_code == 0
    assert (app / "schemas/history/order.placed/2.avsc").exists()


def test_plan_refuses_and_names_the_consumers(app: Path) -> None:
    write(app, A)
    run(app, "add")
    write(app, A, B)
    plan = asyncio.run(make_plan(read(app / "topology.yaml", {}), InMemoryBroker(SystemClock()).admin()))
    (problem,) = [said for said in plan.problems if "schemas" in said]
    assert "schemas/history/order.placed/1.avsc" in problem
    assert "new readers cannot read old events" in problem
    assert "it would break billing on orders" in problem
    assert "reader field missing default value" in problem


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"required": ["a", "b"]}, "refuses what the other allows"),
        ({"required": []}, ""),
        ({"properties": {"a": {"type": "string"}}}, "refuses what the other allows"),
    ],
)
def test_json_schemas_are_judged_too(app: Path, change: dict[str, Any], words: str) -> None:
    path = app / "topology.yaml"
    path.write_text(path.read_text().replace("order.avsc", "order.json"))
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    (app / "schemas/order.json").write_text(json.dumps(schema))
    run(app, "add")
    (app / "schemas/order.json").write_text(json.dumps({**schema, **change}))
    found = run(app, "check")
    assert found.exit_code == (1 if words else 0)
    assert words in found.stdout
