"""`import penstock`: exactly the names an app may use, and nothing heavy behind them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import penstock

PUBLIC = {
    "AsyncPublisher",
    "Context",
    "Defer",
    "Event",
    "PenstockError",
    "Publisher",
    "Reject",
    "Retry",
    "Signal",
    "Skip",
}
HEAVY = (
    "click",
    "rich",
    "aiokafka",
    "prometheus_client",
    "confluent_kafka",
    "httpx",
    "fastavro",
    "yaml",
    "orjson",
    "pydantic",
    "uvloop",
    "opentelemetry",
    "pytest",
)


def loaded_after(statement: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(ran.stdout))


def test_public_names_are_exactly_these():
    assert set(penstock.__all__) == PUBLIC
    assert penstock.__all__ == sorted(penstock.__all__)
    for name in PUBLIC:
        assert getattr(penstock, name).__doc__, f"{name} says nothing of itself"


def test_nothing_else_looks_public():
    import types

    extra = {
        name
        for name, value in vars(penstock).items()
        if not name.startswith("_") and name not in PUBLIC and not isinstance(value, types.ModuleType)
    }

    assert extra - {"annotations", "TYPE_CHECKING", "Any"} == set()


@pytest.mark.parametrize(
    "statement",
    ["import penstock", "from penstock import Context, Defer, Event, PenstockError, Reject, Retry, Signal, Skip"],
)
def test_import_is_light(statement):
    assert loaded_after(statement) & set(HEAVY) == set()


def test_a_publisher_loads_no_face():
    """A producer in somebody's scheduler pays for no command line, no metrics, no tails."""
    loaded = loaded_after("from penstock import AsyncPublisher, Publisher")

    assert loaded & {"click", "rich", "aiokafka", "prometheus_client", "httpx", "pytest"} == set()


def test_the_list_of_verbs_loads_no_verb():
    loaded = loaded_after("import penstock.cli.main")

    assert loaded & {"rich", "aiokafka", "prometheus_client", "confluent_kafka", "fastavro", "yaml"} == set()
