"""The linter's corners: owned settings, references to derived topics, and no second problem drawn from a first."""

from pathlib import Path

import pytest

from penstock.topology.lint_kafka import OWNED
from penstock.topology.reader import inspect


def said(text):
    return [str(problem).removeprefix("t.yaml:") for problem in inspect(text, Path("t.yaml"), {}).problems]


@pytest.mark.parametrize(("key", "why"), OWNED.items())
def test_settings_of_the_engine_are_refused_with_the_reason(key, why):
    assert said(f"name: a\nkafka:\n  {key}: 1\n") == [f"3:3: {key} belongs to the engine: {why} (remove it)"]


def test_other_client_settings_are_welcome():
    settings = "group.protocol: consumer, sasl.username: me, linger.ms: 5, max.poll.interval.ms: 600000"

    assert said(f"name: a\nkafka: {{ {settings} }}\n") == []


READS_DERIVED = """\
name: a
topics: { t: {}, a.p.dlt: {}, a.progress: { type: progress } }
processors:
  p: { handler: "b:c", topics: [t] }
  q: { handler: "b:c", topics: [a.p.dlt, a.progress] }
"""


def test_a_derived_topic_declared_without_partitions_may_be_read():
    assert said(READS_DERIVED) == []


def test_a_processor_may_not_read_its_own_dead_letters():
    (problem,) = said(READS_DERIVED.replace("[t]", "[a.p.dlt]"))

    assert problem.startswith('4:32: processor "p" reads its own dead letter topic: it would never end')


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("topics: [t]\nprocessors: { p: { @, output: u } }\n", id="which topics exist"),
        pytest.param("topics: { t: [] }\nprocessors: { p: { @ } }\n", id="a topic whose value is unreadable exists"),
        pytest.param(
            "topics: { t: {} }\nprocessors: { p: { @, retry: { preserve_order: true, backoff: 5s } } }\n",
            id="how long a retry waits",
        ),
        pytest.param(
            "kafka: { max.poll.interval.ms: '${LONG}' }\ntopics: { t: {} }\n"
            "processors: { p: { @, stop_grace_period: 4m } }\n",
            id="what the grace is measured by",
        ),
    ],
)
def test_nothing_is_concluded_from_what_could_not_be_read(text):
    assert len(said("name: a\n" + text.replace("@", "handler: 'b:c', topics: [t]"))) == 1


def test_without_a_name_derived_names_are_not_judged():
    topics = "topics: { t: {}, .p.dlt: { partitions: 1 }, p.dlt: { partitions: 1 } }\n"

    assert len(said(f"name: ${{A}}\n{topics}processors: {{ p: {{ handler: 'b:c', topics: [t] }} }}\n")) == 1


def test_two_schemas_without_a_type_are_not_two_of_one_type(tmp_path):
    for name in ("x.avsc", "y.avsc"):
        (tmp_path / name).write_text('"int"')
    text = "name: a\ntopics: { t: { schema: x.avsc }, u: { schema: y.avsc } }\n"

    found = inspect(text, tmp_path / "t.yaml", {}).problems

    assert [problem.message for problem in found] == [f'topic "{name}" has a schema but no type' for name in "tu"]


@pytest.mark.parametrize(
    "branch", ['["null", {"type": "record", "name": "B"}]', '{"type": "array", "items": ["null"]}']
)
def test_fields_are_looked_for_inside_unions_too(tmp_path, branch):
    (tmp_path / "x.avsc").write_text(branch)

    found = inspect("name: a\ntopics: { t: { type: b, schema: x.avsc } }\n", tmp_path / "t.yaml", {}).problems

    assert [problem.message.endswith("record B has no list of fields") for problem in found] == [True] * ("B" in branch)
