"""`penstock export acls`: what each role needs, as values, JSON and commands; a real broker judges in tests/edges."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from penstock.cli.main import cli
from penstock.deploy.export.acls import Acl, acls
from penstock.topology.reader import read_text

TEXT = """
version: 1
name: shop
topics:
  orders: { partitions: 2 }
  bills: { partitions: 2 }
processors:
  billing: { handler: 'h:b', topics: [orders], output: bills }
"""


def of(path: Path, **principals: str) -> set[tuple[str, str, str, str]]:
    found = acls(read_text(TEXT, path / "t.yaml", {}), principals)
    return {(acl.kind, acl.name, acl.operation, acl.pattern) for acl in found}


def test_a_worker_reads_its_sources_and_writes_what_it_makes_and_no_more(tmp_path: Path) -> None:
    retry = ("TOPIC", "shop.billing.retry.")
    assert of(tmp_path, worker="User:app") == {
        ("GROUP", "shop.billing", "READ", "LITERAL"),
        ("GROUP", "shop.billing", "DESCRIBE_CONFIGS", "LITERAL"),
        ("TOPIC", "orders", "READ", "LITERAL"),
        ("TOPIC", "bills", "WRITE", "LITERAL"),
        *((*retry, operation, "PREFIXED") for operation in ("READ", "WRITE", "CREATE")),
        ("TOPIC", "shop.billing.replay", "READ", "LITERAL"),
        ("TOPIC", "shop.billing.dlt", "WRITE", "LITERAL"),
        ("TOPIC", "shop.progress", "WRITE", "LITERAL"),
        ("TOPIC", "shop.runs", "WRITE", "LITERAL"),
        ("TOPIC", "shop.control", "READ", "LITERAL"),
    }


def test_a_gateway_reads_what_it_tells_of(tmp_path: Path) -> None:
    gateway = "connectors: { door: { type: http_source, path: /o, topic: orders, reply: [bills], max_backlog: 5 } }\n"
    found = acls(read_text(TEXT + gateway, tmp_path / "t.yaml", {}), {"worker": "User:app"})
    more = {(acl.kind, acl.name, acl.operation, acl.pattern) for acl in found} - of(tmp_path, worker="User:app")
    assert more == {
        ("TOPIC", "orders", "WRITE", "LITERAL"),
        ("TOPIC", "bills", "READ", "LITERAL"),
        ("TOPIC", "shop.billing.dlt", "READ", "LITERAL"),
        ("TOPIC", "shop.progress", "READ", "LITERAL"),
        ("GROUP", "shop.billing", "DESCRIBE", "LITERAL"),
    }


def test_a_producer_writes_only_what_nobody_makes_here(tmp_path: Path) -> None:
    assert of(tmp_path, producer="User:web") == {("TOPIC", "orders", "WRITE", "LITERAL")}


def test_who_applies_may_create_and_change_but_neither_read_nor_write(tmp_path: Path) -> None:
    found = of(tmp_path, deployer="User:ci")
    assert ("TOPIC", "shop.billing.dlt", "CREATE", "LITERAL") in found
    assert not {operation for _, _, operation, _ in found} & {"READ", "WRITE", "DELETE", "ALL"}


def test_commands_are_those_of_kafkas_own_tool(tmp_path: Path) -> None:
    acl = Acl("TOPIC", "a.retry.", "PREFIXED", "DESCRIBE_CONFIGS", "User:app")
    assert acl.command == (
        "kafka-acls.sh --add --allow-principal User:app --operation DescribeConfigs "
        "--topic a.retry. --resource-pattern-type prefixed"
    )
    (tmp_path / "topology.yaml").write_text(TEXT)
    said = CliRunner().invoke(cli, ["export", "acls", "-f", str(tmp_path), "-o", "json", "--worker", "User:w"])
    assert {acl["principal"] for acl in json.loads(said.stdout)} == {"User:w"}
