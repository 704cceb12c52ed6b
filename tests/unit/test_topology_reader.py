"""Reading: the sample, defaults, variables, kinds, aliases. Mistakes have their own table in test_topology_mistakes."""

from pathlib import Path

import pytest

from penstock.errors import TopologyError
from penstock.topology.reader import inspect, read, read_text

SAMPLE = """\
version: 1
name: support-desk
kafka:
  bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS:-localhost:9092}   # any client setting may follow
defaults: { timeout: 90s, stop_grace_period: 20s, failover: 10s, retry: { max_attempts: 3, max_age: 12h } }
internal_topics: { configs: { min.insync.replicas: 1 } }
topics:
  tickets.new:
    partitions: 12
    configs: { retention.ms: 604800000 }
    type: ticket.created
    schema: schemas/ticket.created.avsc
  tickets.triaged: { partitions: 12, type: ticket.triaged }
  tickets.escalated: { partitions: 3, type: ticket.escalated }
processors:
  triage:
    handler: processors.triage:triage
    topics: [tickets.new]
    types: [ticket.created]
    output: tickets.triaged
    emits: [tickets.escalated]
    start_from: earliest
    concurrency: 200
    ordering: key
    timeout: 2m
    expires_after: 24h
    retry:
      max_attempts: 5
      backoff: { initial: 5s, multiplier: 4, max: 30m }
      never: [pydantic.ValidationError]
      preserve_order: false
    python: .venvs/omni/bin/python
    replicas: 2
    settings: { model: gpt-5, temperature: 0.2, deep: { on: true, none: null }, list: [1, two] }
  archive:
    handler: processors.archive:Archive
    topics: [tickets.triaged]
    start_from: 2026-01-31T08:00:00.250+01:00
connectors:
  inbox: { type: http_source, path: /tickets, topic: tickets.new, key: data.customer_id }
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "ticket.created.avsc").write_text('{"type": "record", "name": "Ticket", "fields": []}')
    python = tmp_path / ".venvs" / "omni" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    return tmp_path


def small(processor="", top="", environ=None):
    """A topology of one topic and one processor, with these lines added."""
    lines = (
        f"name: shop\n{top}\ntopics: {{ orders: {{}} }}\nprocessors:\n  ship:\n    handler: a:b\n    topics: [orders]\n"
    )
    if processor:
        lines += f"    {processor}\n"
    return read_text(lines, Path("topology.yaml"), environ or {})


def test_the_sample_is_read_as_it_is_meant(folder):
    path = folder / "topology.yaml"
    path.write_text(SAMPLE)

    topology = read(path, {})

    triage, archive = topology.processors["triage"], topology.processors["archive"]
    assert (topology.name, topology.version, topology.path, topology.directory) == ("support-desk", 1, path, folder)
    assert topology.kafka == {"bootstrap.servers": "localhost:9092"}
    assert topology.internal_topics.configs == {"min.insync.replicas": "1"}
    assert topology.topics["tickets.new"].configs == {"retention.ms": "604800000"}
    assert topology.topics["tickets.new"].schemas == {"ticket.created": folder / "schemas/ticket.created.avsc"}
    assert topology.topics["tickets.new"].name == "tickets.new"
    assert (triage.name, triage.group_id) == ("triage", "support-desk.triage")
    assert (triage.topics, triage.types, triage.output) == (("tickets.new",), ("ticket.created",), "tickets.triaged")
    assert (triage.timeout, triage.expires_after, triage.concurrency) == (120.0, 86400.0, 200)
    assert triage.python == folder / ".venvs/omni/bin/python"
    assert triage.settings == {
        "model": "gpt-5",
        "temperature": 0.2,
        "deep": {"on": True, "none": None},
        "list": [1, "two"],
    }
    assert archive.start_from == 1769842800250
    assert topology.connectors["inbox"].key == "data.customer_id"


def test_defaults_reach_processors_that_say_nothing_key_by_key(folder):
    topology = read_text(SAMPLE, folder / "topology.yaml", {})

    triage, archive = topology.processors["triage"], topology.processors["archive"]
    assert (archive.timeout, archive.stop_grace_period, archive.retry.max_attempts) == (90.0, 20.0, 3)
    assert (triage.retry.max_attempts, triage.retry.max_age) == (5, 43200.0)
    assert triage.retry.backoff.initial == 5.0


def test_the_environment_fills_in(folder):
    topology = read_text(SAMPLE, folder / "topology.yaml", {"KAFKA_BOOTSTRAP_SERVERS": "one:9092,two:9092"})

    assert topology.kafka["bootstrap.servers"] == "one:9092,two:9092"


@pytest.mark.parametrize(
    ("written", "environ", "meant"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("${A}-${B}", {"A": "x", "B": "y"}, "x-y"),
        ("${A:-d}", {}, "d"),
        ("${A:-d}", {"A": ""}, "d"),
        ("${A:-${B:-e}}", {}, "e"),
        ("${A:-${B}}", {"B": "y"}, "y"),
        ("${A:?say}", {"A": "x"}, "x"),
        ("$${A}", {}, "${A}"),
        ("$A", {"A": "x"}, "$A"),
        ("a$$b", {}, "a$$b"),
        ("${A}", {"A": "5"}, "5"),
        ("${A}", {"A": "true"}, "true"),
        ("${A}", {"A": "${B}"}, "${B}"),
    ],
)
def test_variables(written, environ, meant):
    assert small(top=f"kafka: {{ client.id: '{written}' }}", environ=environ).kafka["client.id"] == meant


def test_variables_fill_numbers_flags_and_keys():
    topology = small("concurrency: ${N}\n    retry: { preserve_order: '${F:-false}' }", environ={"N": "7"})

    assert topology.processors["ship"].concurrency == 7
    assert topology.processors["ship"].retry.preserve_order is False
    assert list(small("settings: { '${A}': '${A}' }", environ={"A": "5"}).processors["ship"].settings) == ["5"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", "true"),
        ("False", "false"),
        ("yes", "true"),
        ("off", "false"),
        ("'yes'", "yes"),
        ("1_000", "1000"),
        ("'1_000'", "1_000"),
        ("-1", "-1"),
        ("0.5", "0.5"),
        ("0123", "0123"),
        ("''", ""),
        ("'a,b'", "a,b"),
    ],
)
def test_settings_become_texts(written, meant):
    assert small(top=f"kafka: {{ a.b: {written} }}").kafka == {"a.b": meant}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("5", 5),
        ("'5'", "5"),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("yes", "yes"),
        ("0123", "0123"),
        ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"),
        ("~", None),
        ("''", ""),
        (".5", 0.5),
        ("1e999", "1e999"),
    ],
)
def test_free_settings_are_what_they_look_like(written, meant):
    found = small(f"settings: {{ it: {written} }}").processors["ship"].settings["it"]

    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("0", 0.0), ("0s", 0.0), ("500ms", 0.5), ("1m30s", 90.0), ("'90s'", 90.0), ("1.5m", 90.0)],
)
def test_durations(written, meant):
    assert small(f"stop_grace_period: {written}").processors["ship"].stop_grace_period == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [("latest", "latest"), ("1970-01-01T00:00:01Z", 1000), ("'2026-01-31 08:00:00.5-02:00'", 1769853600500)],
)
def test_starts(written, meant):
    assert small(f"start_from: {written}").processors["ship"].start_from == meant


def test_paths_begin_at_the_topologys_folder(folder):
    processor = read_text(SAMPLE, folder / "topology.yaml", {}).processors["triage"]

    assert processor.python == folder / ".venvs" / "omni" / "bin" / "python"


def test_aliases_and_merges_are_followed():
    text = """\
name: shop
topics: { orders: {} }
processors:
  ship: &ship { handler: "a:b", topics: &sources [orders], concurrency: 3 }
  bill: { <<: *ship, handler: "c:d" }
  mail: { handler: "e:f", topics: *sources }
"""
    processors = read_text(text, Path("t.yaml"), {}).processors

    assert (processors["bill"].handler, processors["bill"].concurrency) == ("c:d", 3)
    assert processors["bill"].group_id == "shop.bill"
    assert processors["mail"].topics == ("orders",)


def test_empty_sections_are_natural():
    topology = read_text("name: shop\nkafka:\ntopics:\n  orders:\nprocessors:\n", Path("t.yaml"), {})

    assert topology.topics["orders"].partitions is None
    assert topology.processors == {}


def test_inspect_gives_marks_and_a_best_effort_topology_beside_the_problems():
    reading = inspect("name: shop\ntopics:\n  orders: { partitions: many }\n", Path("t.yaml"), {})

    assert len(reading.problems) == 1
    assert list(reading.topology.topics) == ["orders"]
    assert (reading.marks.key("topics", "orders").line, reading.marks.key("topics", "orders").column) == (3, 3)
    assert not reading.marks.sound("topics", "orders")
    assert reading.marks.sound("name")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfname: shop\n", None),
        (b"name: shop\nkafka: { a: \xff }\n", ":2:13: not UTF-8 text (save the file as UTF-8)"),
        (b"name: \xc3\xbc\xff\n", ":1:8: not UTF-8 text (save the file as UTF-8)"),
        (b"name: shop\n#" + b"x" * (4 << 20), ":1:1: larger than 4 MiB (is this the topology?)"),
    ],
)
def test_bytes_of_a_file(tmp_path, content, expected):
    path = tmp_path / "topology.yaml"
    path.write_bytes(content)

    if expected is None:
        assert read(path, {}).name == "shop"
    else:
        with pytest.raises(TopologyError) as caught:
            read(path, {})
        assert str(caught.value) == f"{path}{expected}"


def test_a_file_that_is_not_there_is_a_problem_too(tmp_path):
    for path, reason in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "directory"), (Path("a\0b"), "null")):
        with pytest.raises(TopologyError, match=f"cannot be read: .*{reason}"):
            read(path, {})
