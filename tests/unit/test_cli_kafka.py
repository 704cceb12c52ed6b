"""The kafka verbs over a stand-in, and how a verb finds the app's own Kafka where it took another port."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock import local_kafka
from penstock.cli import local_broker
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.errors import LocalKafkaError
from penstock.local_kafka import LocalKafka
from penstock.topology.model import Topology


@pytest.fixture
def running(monkeypatch, tmp_path):
    """A local Kafka that only says it is there; `calls` tells what was asked of it."""
    calls = []
    state = {"up": True}
    here = LocalKafka("127.0.0.1:5", 42, tmp_path / "data", tmp_path / "data" / "kafka.log")

    def start(data, port=None, *, overrides=None, say=None, secure=False):
        calls.append(("start", data, port))
        return here

    monkeypatch.setattr(local_kafka, "start", start)
    monkeypatch.setattr(local_kafka, "stop", lambda data: calls.append(("stop", data)))
    monkeypatch.setattr(local_kafka, "wipe", lambda data: calls.append(("wipe", data)))
    monkeypatch.setattr(local_kafka, "status", lambda data: here if state["up"] else None)
    monkeypatch.setattr(local_kafka, "log_path", lambda data: here.log)
    return here, calls, state


def call(*args, stdin=None):
    return CliRunner().invoke(cli, ["kafka", *map(str, args)], input=stdin)


def test_start_says_where_and_how_to_use_another_port(running, tmp_path):
    here, calls, _ = running
    done = call("start", "--data", tmp_path, "--port", 5)
    assert done.exit_code == 0
    assert "export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:5" in done.stdout
    assert calls == [("start", tmp_path, 5)]
    assert json.loads(call("start", "--data", tmp_path, "-o", "json").stdout)["pid"] == here.pid


def test_status_exits_1_where_nothing_runs(running, tmp_path):
    _, _, state = running
    assert call("status", "--data", tmp_path).exit_code == 0
    state["up"] = False
    done = call("status", "--data", tmp_path, "-o", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"running": False}


def test_wipe_asks_first(running, tmp_path):
    _, calls, _ = running
    assert call("wipe", "--data", tmp_path, stdin="n\n").exit_code == 1
    assert calls == []
    assert call("wipe", "--data", tmp_path, "--yes").exit_code == 0
    assert calls == [("wipe", tmp_path)]


def test_logs_shows_the_last_lines_and_says_where_there_are_none(running, tmp_path):
    here, _, state = running
    state["up"] = False
    done = call("logs", "--data", tmp_path)
    assert done.exit_code == 1
    assert "penstock kafka start" in done.stderr
    here.log.parent.mkdir()
    here.log.write_text("".join(f"line {number}\n" for number in range(9)))
    assert call("logs", "--data", tmp_path, "-n", 2).stdout == "line 7\nline 8\n"


def test_a_kafka_that_cannot_start_is_a_plain_message(monkeypatch, tmp_path):
    def start(*args, **kwargs):
        raise LocalKafkaError("no java", "install the extra")

    monkeypatch.setattr(local_kafka, "start", start)
    done = call("start", "--data", tmp_path)
    assert done.exit_code == 1
    assert "no java" in done.stderr
    assert "install the extra" in done.stderr


def topology(folder: Path, servers: str) -> Topology:
    return Topology(name="desk", kafka={"bootstrap.servers": servers, "linger.ms": "1"}, directory=folder)


def test_the_apps_own_kafka_is_found_where_the_asked_one_is_silent(running, tmp_path, monkeypatch):
    silent = topology(tmp_path, "localhost:1")
    assert Doors().located(silent) is silent, "no Kafka of its own was ever started here"
    (tmp_path / ".penstock" / "kafka").mkdir(parents=True)
    assert Doors().located(silent).kafka == {"bootstrap.servers": "127.0.0.1:5", "linger.ms": "1"}
    asked = Doors(environ={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert asked.located(silent) is silent, "nor is one that the environment names, though it is silent"
    far = topology(tmp_path, "kafka.example.org:9092")
    assert Doors().located(far) is far, "a cluster elsewhere is never replaced"
    monkeypatch.setattr(local_broker, "_answers", lambda servers: True)
    assert Doors().located(silent) is silent, "nor is one that answers"


def test_another_kafka_that_answers_is_used_and_said_where_the_app_has_its_own(running, tmp_path, monkeypatch, capsys):
    (tmp_path / ".penstock" / "kafka").mkdir(parents=True)
    monkeypatch.setattr(local_broker, "_answers", lambda servers: True)
    Doors(environ={}).located(topology(tmp_path, "localhost:9092"))
    assert "not this app's own at 127.0.0.1:5" in capsys.readouterr().err
    Doors(environ={"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}).located(topology(tmp_path, "localhost:9092"))
    assert capsys.readouterr().err == "", "it was asked for by name"
    Doors(environ={}).located(topology(tmp_path, "localhost:5"))
    assert capsys.readouterr().err == "", "it is the app's own"
