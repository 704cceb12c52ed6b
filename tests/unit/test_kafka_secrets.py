"""Passwords of Kafka: references only, read when connecting, hidden wherever settings are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import PenstockError, TopologyError
from penstock.topology.kafka_secrets import SECRETS, revealed
from penstock.topology.reader import read_text

TEXT = "version: 1\nname: a\nkafka:\n  bootstrap.servers: b:1\n  sasl.username: app\n  {}: {}\n"


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_literal_secret_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"t\.yaml:6:.*must not stand in this file") as caught:
        read_text(TEXT.format(name, "hunter2"), tmp_path / "t.yaml", {})
    assert "hunter2" not in str(caught.value)


def test_a_variable_is_taken_and_never_shown(tmp_path: Path) -> None:
    topology = read_text(TEXT.format("sasl.password", "${PASSWORD}"), tmp_path / "t.yaml", {"PASSWORD": "hunter2"})
    assert topology.kafka["sasl.password"] == "hunter2"
    assert "hunter2" not in repr(topology)
    assert "hunter2" not in f"{topology.kafka}"
    assert "hunter2" not in repr(revealed(topology.kafka))


def test_a_file_is_read_when_connecting(tmp_path: Path) -> None:
    topology = read_text(TEXT.format("sasl.password", "file:secret/app"), tmp_path / "t.yaml", {})
    with pytest.raises(PenstockError, match="secret/app cannot be read"):
        revealed(topology.kafka)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "app").write_text("hunter2\n")
    assert revealed(topology.kafka)["sasl.password"] == "hunter2"
    assert "hunter2" not in repr(topology)
