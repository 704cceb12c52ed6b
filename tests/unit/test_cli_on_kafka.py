"""The looking and changing verbs against a real Kafka: one app from an empty cluster to an answered status."""

import json

import pytest
from click.testing import CliRunner

from penstock.cli.doors import Doors
from penstock.cli.main import cli

TEXT = """\
version: 1
name: NAME
kafka: { bootstrap.servers: "SERVERS" }
topics:
  NAME.in: { partitions: 2, type: asked, configs: { retention.ms: 86400000 } }
processors:
  agent: { handler: a:b, topics: [NAME.in] }
"""


@pytest.mark.slow
@pytest.mark.kafka
def test_from_an_empty_cluster_to_an_answered_status(kafka, topic_name, tmp_path):
    name = topic_name("desk")
    path = tmp_path / "topology.yaml"
    path.write_text(TEXT.replace("NAME", name).replace("SERVERS", kafka))

    def call(verb, *args, exit_code=0):
        done = CliRunner().invoke(cli, [verb, "-f", str(path), *args], obj=Doors(environ={}))
        assert done.exit_code == exit_code, done.output
        return done.stdout

    call("plan", "--exit-code", exit_code=2)
    saved = str(tmp_path / "plan.json")
    call("plan", "--out", saved)
    steps = json.loads(call("apply", "--plan", saved, "-o", "json"))["steps"]
    assert {step["result"] for step in steps} <= {"done", "refused"}
    assert "Nothing to do." in call("apply", "--yes")
    call("plan", "--exit-code")
    call("apply", "--plan", saved, exit_code=1)

    path.write_text(path.read_text().replace("partitions: 2", "partitions: 3").replace("86400000", "172800000"))
    found = json.loads(call("plan", "-o", "json"))
    assert (found["changes"][0]["before"], found["changes"][0]["after"]) == ("86400000", "172800000")
    assert found["additions"][0]["reorders"] == ["agent"]
    call("apply", "--yes")
    call("plan", "--exit-code")

    sent = call("send", f"{name}.in", '{"n": 1}', "--key", "k")
    assert sent.startswith("1 sent to")
    (group,) = json.loads(call("groups", "-o", "json"))
    assert (group["lag"], group["backlog"], group["started"]) == (1, 1, False)
    assert group["oldest"]["position"].startswith(f"{name}.in/")
    topics = {one["topic"]: one for one in json.loads(call("topics", "-o", "json"))}
    assert (topics[f"{name}.in"]["partitions"], topics[f"{name}.in"]["records"]) == (3, 1)
    event = json.loads(call("tap", f"{name}.in", "--from", "beginning", "-n", "1", "-o", "json"))
    assert (event["type"], event["key"], event["data"]) == ("asked", "k", {"n": 1})
    assert "nothing is wrong" in call("doctor")
    assert json.loads(call("ps", "-o", "json"))["workers"] == []
