"""Whatever stands in the file, the reader answers with a topology or with problems; never with a traceback."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.errors import TopologyError
from penstock.topology.reader import read, read_text

VALID = """\
version: 1
name: shop
kafka: { bootstrap.servers: "${BROKERS:-localhost:9092}", max.poll.interval.ms: 300000 }
defaults: { timeout: 2m, retry: { max_attempts: 3 } }
internal_topics: { replication_factor: 3, configs: { min.insync.replicas: 2 } }
topics:
  orders: &orders { partitions: 12, configs: { retention.ms: 604800000 }, type: order.placed }
  bills: { <<: *orders, type: bill.sent }
processors:
  ship:
    handler: processors.ship:ship
    topics: [orders]
    output: bills
    start_from: 2026-01-31T08:00:00Z
    ordering: key
    retry: { backoff: { initial: 5s, multiplier: 2.5, max: 1h }, never: [a.B], preserve_order: false }
    settings: { model: 'x', list: [1, 2.5, null, true] }
connectors:
  inbox: { type: http_source, path: /orders, topic: orders }
"""
CHARACTERS = "{}[]:-?&!%|>\"'#~0 \n\t\0\\\x85\ufeff\ud800é"
INDICATORS = ("\n  ", ": ", "- ", "&a ", "*a", "*orders", "<<: *orders", "!!int ", "---", "...", "\\x")
WORDS = ("${", "${A}", "$${", "-1", "1e999", "true", ".inf", "../..", "name", "topics:", "2026-13-45T99:99:99Z")
PIECES = st.sampled_from([*CHARACTERS, *INDICATORS, *WORDS, "9" * 400, "a" * 300])


def outcome(text):
    """Reads the text; the problems, each of which is one line with a place in the file."""
    problems = ()
    message = ""
    try:
        read_text(text, Path("topology.yaml"), {"A": "x\ny"})
    except TopologyError as error:
        problems, message = error.problems, str(error)
    assert list(problems) == sorted(set(problems))
    assert len(message.splitlines()) == len(problems)
    assert message.encode().decode() == message  # printable anywhere: no lone surrogates
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
    return problems


def test_the_document_to_mutate_is_valid():
    assert outcome(VALID) == ()


@given(st.text(max_size=200))
@example('a: "\\UFFFFFFFF"')
@example('a: "\\ud800"')
@example("%YAML " + "9" * 5000 + ".1\n---\na: b")
@example("a: !!python/object:os.system x")
@example("? {a: b}\n: c")
@example("[" * 5000)
@example("- " * 5000)
@example("{" * 5000)
@example("name: a\nconnectors: &x [*x]")
@example("name: &a [*a]\n<<: *a")
@example("name: a\nconnectors: &x { <<: *x, y: *x }")
@example("\ufeffname: a")
@settings(max_examples=150, deadline=None)
def test_any_text(text):
    outcome(text)


@given(st.lists(PIECES, max_size=25).map("".join))
@settings(max_examples=200, deadline=None)
def test_any_mixture_of_what_yaml_is_made_of(text):
    outcome(text)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.integers(0, len(VALID)), st.integers(0, 12), st.one_of(PIECES, st.text(max_size=5))),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=250, deadline=None)
def test_any_mutation_of_a_valid_document(mutations):
    text = VALID
    for start, length, piece in mutations:
        text = text[:start] + piece + text[start + length :]

    outcome(text)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_in_the_place_of_another(data):
    """The form stays valid YAML, so that every kind of option meets every kind of value."""
    values = [
        "",
        "~",
        "[]",
        "{}",
        "[a]",
        "{a: b}",
        "5",
        "-1",
        "0.5",
        "true",
        "yes",
        "'x y'",
        "0s",
        "99h",
        "[[a]]",
        "[{}]",
    ]
    lines = [line for line in VALID.splitlines() if line.strip()]
    index = data.draw(st.integers(0, len(lines) - 1))
    key, _, _ = lines[index].partition(":")
    lines[index] = f"{key}: {data.draw(st.sampled_from(values))}"

    outcome("\n".join(lines))


@given(st.binary(max_size=100))
@settings(max_examples=100, deadline=None)
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)

    with contextlib.suppress(TopologyError):
        read(path, {})


def test_aliases_that_multiply_are_refused_quickly():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    problems = outcome("name: a\nconnectors:\n  " + "\n  ".join(levels) + "\n")

    assert "more than 50000 values" in problems[0].message


def test_chained_aliases_are_refused_before_the_stack_ends():
    levels = ["a0: &a0 { x: y }"] + [f"a{n}: &a{n} {{ x: *a{n - 1} }}" for n in range(1, 1500)]
    problems = outcome("name: a\nconnectors:\n  " + "\n  ".join(levels) + "\n")

    assert "deep once aliases are followed" in problems[0].message


@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", "{a: "])
def test_deep_nesting_is_refused_where_it_gets_too_deep(opening):
    problems = outcome("name: a\nconnectors:\n  " + opening * 20000)

    assert len(problems) == 1
    assert "deep" in problems[0].message
    assert problems[0].line == 3
