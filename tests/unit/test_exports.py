"""penstock export: what is written for Kubernetes, KEDA, Compose and AsyncAPI follows from the topology."""

import re

import pytest
import yaml
from click.testing import CliRunner

from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.service.metrics import COUNTERS, GAUGES

TEXT = """\
version: 1
name: Help_Desk
kafka: { bootstrap.servers: "one:9092,two:9092", security.protocol: SASL_SSL }
topics:
  tickets.new: { partitions: 6, type: ticket.created, schema: ticket.avsc, configs: { retention.ms: 3600000 } }
  tickets.old: { type: ticket.closed }
  answers: { partitions: 2 }
connectors:
  inbox: { type: http_source, path: /tickets, port: 8081, topic: tickets.new }
  pager: { type: http_sink, url: "https://page.example/", topics: [answers] }
processors:
  triage:
    handler: agents:triage
    topics: [tickets.new]
    output: answers
    concurrency: 50
    stop_grace_period: 61500ms
    replicas: 3
    memory_limit: 512MiB
  audit:
    handler: agents:audit
    topics: [tickets.new, tickets.old]
    types: [ticket.closed]
"""
AVRO = '{"type": "record", "name": "Ticket", "fields": [{"name": "id", "type": "string"}]}'


@pytest.fixture
def export(tmp_path):
    (tmp_path / "topology.yaml").write_text(TEXT)
    (tmp_path / "ticket.avsc").write_text(AVRO)

    def exported(what, *arguments):
        command = ["export", what, "-f", str(tmp_path / "topology.yaml"), *arguments]
        done = CliRunner().invoke(cli, command, obj=Doors(environ={}))
        assert done.exit_code == 0, done.output
        assert "&id" not in done.stdout, "no anchors: many readers know none"
        return list(yaml.safe_load_all(done.stdout))

    return exported


def test_a_pod_may_take_its_drain_and_fifteen_seconds_to_end(export):
    _, _, _, _, triage, audit = export("k8s", "--image", "desk:1")

    assert triage["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 62 + 15
    assert audit["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 30 + 15


def test_a_deployment_runs_one_group_behind_the_workers_own_probes(export):
    job, _, _, _, triage, _ = export("k8s", "--image", "desk:1", "--namespace", "support")
    container = triage["spec"]["template"]["spec"]["containers"][0]

    assert job["kind"] == "Job"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["apply", "--yes"]
    assert triage["metadata"]["name"] == "help-desk-triage"
    assert triage["metadata"]["namespace"] == job["metadata"]["namespace"] == "support"
    assert triage["spec"]["replicas"] == 3
    assert container["args"][:2] == ["run", "triage"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert str(container["ports"][0]["containerPort"]) in container["args"]


def test_keda_scales_on_metrics_that_workers_serve_and_never_beyond_the_partitions(export):
    pager, triage, audit = export("keda", "--prometheus", "http://prometheus:9090", "--waves", "4")
    queries = [one["metadata"]["query"] for one in triage["spec"]["triggers"]]

    assert pager["spec"]["maxReplicaCount"] == 2, "a sink is a group as well"
    assert triage["spec"]["scaleTargetRef"]["name"] == "help-desk-triage"
    assert triage["spec"]["maxReplicaCount"] == 6
    assert audit["spec"]["maxReplicaCount"] == 100, "tickets.old is not ours: nobody says how many partitions it has"
    assert triage["spec"]["minReplicaCount"] >= 1, "without a worker there is no metric to scale on"
    assert triage["spec"]["triggers"][0]["metadata"]["threshold"] == "200"
    assert all('{group="Help_Desk.triage"}' in query for query in queries)
    assert {re.search(r"penstock_\w+", query).group() for query in queries} <= {*GAUGES, *COUNTERS}
    assert not any("lag" in query for query in queries)


def test_compose_waits_longer_than_a_drain_and_applies_first(export):
    (composed,) = export("compose", "--image", "desk:1")
    triage = composed["services"]["triage"]

    assert composed["name"] == "help-desk"
    assert triage["stop_grace_period"] == "77s"
    assert triage["depends_on"] == {"apply": {"condition": "service_completed_successfully"}}
    assert triage["deploy"]["replicas"] == 3


def test_a_memory_limit_is_the_containers_and_there_is_none_where_none_is_named(export):
    _, _, _, _, triage, audit = export("k8s", "--image", "desk:1")
    (composed,) = export("compose", "--image", "desk:1")
    (of_triage,) = triage["spec"]["template"]["spec"]["containers"]
    (of_audit,) = audit["spec"]["template"]["spec"]["containers"]

    assert of_triage["resources"]["limits"] == {"memory": str(512 << 20)}
    assert "limits" not in of_audit["resources"]
    assert composed["services"]["triage"]["mem_limit"] == 512 << 20
    assert "mem_limit" not in composed["services"]["audit"]


def test_asyncapi_names_topics_groups_types_and_schemas(export):
    (found,) = export("asyncapi", "--version", "2.1.0")
    channel = found["channels"]["tickets_new"]
    received = found["operations"]["audit_receive_tickets_old"]

    assert found["info"] == {"title": "Help_Desk", "version": "2.1.0"}
    assert [one["protocol"] for one in found["servers"].values()] == ["kafka-secure", "kafka-secure"]
    assert channel["bindings"]["kafka"]["partitions"] == 6
    assert channel["bindings"]["kafka"]["topicConfiguration"] == {"retention.ms": 3600000}
    assert received["bindings"]["kafka"]["groupId"]["const"] == "Help_Desk.audit"
    assert found["operations"]["audit_receive_tickets_new"]["messages"] == [], "its filter leaves none of these"
    assert found["operations"]["triage_send_answers"]["action"] == "send"
    assert found["components"]["messages"]["ticket_created"]["payload"]["schema"]["name"] == "Ticket"
    assert "Help_Desk_triage_dlt" in found["channels"]


def test_every_reference_of_asyncapi_leads_somewhere(export):
    (found,) = export("asyncapi")

    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if "$ref" in node else []
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in references(found):
        node = found
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_out_writes_a_file(export, tmp_path):
    target = tmp_path / "k8s.yaml"
    assert export("k8s", "--image", "desk:1", "--out", str(target)) == []
    assert len(list(yaml.safe_load_all(target.read_text()))) == 6


def test_a_gateway_is_a_service_and_is_not_scaled_on_a_backlog_it_has_not(export):
    _, deployment, service, *_ = export("k8s", "--image", "desk:1")
    (composed,) = export("compose", "--image", "desk:1")

    assert deployment["spec"]["template"]["spec"]["containers"][0]["args"][:2] == ["run", "inbox"]
    assert service["kind"] == "Service"
    assert service["spec"]["ports"] == [{"name": "http", "port": 8081, "targetPort": 8081}]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert composed["services"]["inbox"]["ports"] == ["8081:8081"]
    assert len(export("keda", "--prometheus", "http://prometheus:9090")) == 3
