"""The desk's topology file: it lints, its schemas carry what its agents return, its handlers are there."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path

import pytest

from penstock.errors import Unencodable
from penstock.schema.codec import Codec
from penstock.topology.derived import policy_topics
from penstock.topology.model import Topology
from penstock.topology.reader import read

ROOT = Path(__file__).parents[2]
TICKET = {"ticket_id": "t-1", "customer_id": "c-1", "text": "où est ma carte ?"}
TRIAGED = {
    **TICKET,
    "area": "card",
    "urgency": "normal",
    "confidence": 0.5,
    "needs_people": True,
    "triaged_by": "rules",
}


@pytest.fixture(scope="module")
def desk() -> Topology:
    return read(ROOT / "topology.yaml", {})


def test_it_has_no_mistake_and_needs_no_environment(desk: Topology) -> None:
    assert desk.name == "support-desk"
    assert desk.kafka["bootstrap.servers"] == "localhost:9092"
    assert {name: topic.partitions for name, topic in desk.topics.items()} == {
        "tickets.new": 12,
        "tickets.triaged": 12,
        "tickets.escalated": 3,
        "tickets.answered": 12,
    }


def test_a_failed_ticket_is_a_dead_letter_within_half_a_minute(desk: Topology) -> None:
    assert policy_topics(desk.processors["triage"])[:3] == (
        "support-desk.triage.retry.1s",
        "support-desk.triage.retry.5s",
        "support-desk.triage.retry.15s",
    )


def test_every_handler_is_there(desk: Topology) -> None:
    for processor in desk.processors.values():
        module, _, attribute = processor.handler.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))


def test_each_agent_sees_every_triaged_ticket_in_a_group_of_its_own(desk: Topology) -> None:
    readers = [processor for processor in desk.processors.values() if processor.topics == ("tickets.triaged",)]
    assert [processor.name for processor in readers] == ["answer", "escalate"]
    assert len({processor.group_id for processor in readers}) == 2


def test_the_schemas_carry_what_the_agents_say(desk: Topology) -> None:
    codec = Codec(desk)
    for type_, data in (
        ("ticket.created", {**TICKET, "channel": "app", "language": None}),
        ("ticket.triaged", TRIAGED),
    ):
        assert codec.encode(type_, data).dataschema
    assert codec.encode("ticket.created", TICKET).dataschema  # channel and language may be left out
    with pytest.raises(Unencodable):
        codec.encode("ticket.triaged", {**TRIAGED, "urgency": "soon"})


def test_every_schema_file_is_named_for_its_type_and_used(desk: Topology) -> None:
    declared = {path.resolve() for topic in desk.topics.values() for path in topic.schemas.values()}
    assert declared == {path.resolve() for path in (ROOT / "schemas").glob("*.avsc")}
    for topic in desk.topics.values():
        for type_, path in topic.schemas.items():
            assert path.name == f"{type_}.avsc"
            assert json.loads(path.read_text())["namespace"] == "support_desk"


def test_the_agents_import_only_the_public_penstock() -> None:
    for file in (ROOT / "processors").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("penstock."), file.name
            if isinstance(node, ast.Import):
                assert not any(name.name.startswith("penstock.") for name in node.names), file.name
