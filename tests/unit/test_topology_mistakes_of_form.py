"""Mistakes of form: YAML, keys, variables. What is said about each, and where."""
# ruff: noqa: E501 - messages are quoted whole

from pathlib import Path

import pytest

from penstock.errors import TopologyError
from penstock.topology.reader import read_text

# A case: its name, the file, and what is said about it. (shop) stands for these six lines:
SHOP = """\
name: shop
topics: { orders: {}, bills: {} }
processors:
  ship:
    handler: a:b
    topics: [orders]
"""
CASES = r"""
## comment only
# nothing
>>> 1:1: the file is empty (begin with version: 1 and name: <a name>)

## two documents
name: a
---
name: b
>>> 2:1: not YAML: expected a single document in the stream, but found another document

## a list
[a]
>>> 1:1: the file must be a map, not a list (its keys: version, name, kafka, defaults, internal_topics, schema_registry, runs, topics, limits, processors, memory, connectors)

## a word
hello
>>> 1:1: the file must be a map, not a single value (its keys: version, name, kafka, defaults, internal_topics, schema_registry, runs, topics, limits, processors, memory, connectors)

## unclosed
name: [a
>>> 2:1: not YAML: expected ',' or ']', but got '<stream end>'

## colon
name: a: b
>>> 1:8: not YAML: mapping values are not allowed here (check the indentation, and put texts that hold ': ' in quotes)

## dup
name: a
name: b
>>> 2:1: the key "name" is written twice (the first is on line 1)

## variable in flow
name: a
kafka: { b: ${X} }
>>> 2:14: not YAML: expected ',' or '}', but got '{' (inside { } put ${...} in quotes: "${NAME:-default}")

## surrogate
name: "\ud800"
>>> 1:7: a character that no text may hold (remove NUL characters and lone surrogates)

## nul
name: "a\0"
>>> 1:7: a character that no text may hold (remove NUL characters and lone surrogates)

## bad escape
name: "\UFFFFFFFF"
>>> 1:10: not YAML: what stands here cannot be read (check the escapes before it)

## tag
name: !!str a
>>> 1:7: the tag "tag:yaml.org,2002:str" is not known (tags are not used here; put a text in quotes)

## own tag
name: !mine a
>>> 1:7: the tag "!mine" is not known (tags are not used here; put a text in quotes)

## unknown alias
name: *a
>>> 1:7: not YAML: found undefined alias 'a'

## self
name: a
connectors: &x { a: { type: http_source, path: /a, topic: *x } }
>>> 2:13: this value contains itself (an alias may not stand inside its own anchor)

## key list
name: a
? [a]
: b
>>> 2:3: a key must be a text, not a list or a map (write key: value)

## merge
name: a
kafka: { <<: b }
>>> 2:14: << takes a map, or a list of maps (write <<: *anchor)

## deep
name: a
connectors: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
>>> 2:52: not YAML: nested more than 40 levels deep

## unknown
nam: a
>>> 1:1: the file has no name (add name: support-desk)
>>> 1:1: unknown key "nam" (did you mean name?)

## unknown far
name: a
zzz: b
>>> 2:1: unknown key "zzz" (known keys: version, name, kafka, defaults, internal_topics, schema_registry, runs, topics, limits, processors, memory, connectors)

## dotted
name: a
bootstrap.servers: b
>>> 2:1: unknown key "bootstrap.servers" (Kafka's own settings go under kafka: at the top)

## dotted topic
name: a
topics: { t: { retention.ms: 5 } }
>>> 2:16: unknown key "retention.ms" in topics.t (Kafka's own settings go under configs:)

## unknown in retry
(shop)
    retry: { max_attempt: 3 }
>>> 7:14: unknown key "max_attempt" in processors.ship.retry (did you mean max_attempts?)

## missing
name: a
processors: { ship: {} }
>>> 2:15: processors.ship has no handler (add handler: processors.triage:triage)
>>> 2:15: processors.ship has no topics (add topics: [tickets.new])

## unset
name: ${A}
>>> 1:7: the environment variable A is not set (set it, or give a default: ${A:-default})

## unset message
name: ${A:?say the name}
>>> 1:7: the environment variable A is not set (say the name)

## unclosed variable
name: ${A
>>> 1:7: "${A" is not closed (write ${NAME}, or $${ for the characters themselves)

## operator
name: ${A:+b}
>>> 1:7: "${A:+b}" cannot be read (write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ for the characters themselves)

## nameless
name: ${}
>>> 1:7: "${}" cannot be read (write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ for the characters themselves)

## nested
name: ${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-}}}}}}}}}}
>>> 1:7: ${...} is nested too deeply

## unset in list
(shop)
    emits: ['${A}', nope]
>>> 7:13: the environment variable A is not set (set it, or give a default: ${A:-default})
>>> 7:21: topic "nope" is not declared (declare it under topics: nope: {})
"""


def cases():
    found = []
    for case in CASES.strip().split("## ")[1:]:
        name, *lines = case.strip().split("\n")
        text = "\n".join(line for line in lines if not line.startswith(">>> "))
        expected = [line.removeprefix(">>> ") for line in lines if line.startswith(">>> ")]
        found.append(pytest.param(f"{text}\n".replace("(shop)\n", SHOP), expected, id=name))
    return found


@pytest.mark.parametrize(("text", "expected"), cases())
def test_mistake_is_named_with_its_place(text, expected):
    with pytest.raises(TopologyError) as caught:
        read_text(text, Path("t.yaml"), {})

    assert [str(problem).removeprefix("t.yaml:") for problem in caught.value.problems] == expected


def test_the_shop_itself_is_fine():
    assert list(read_text(SHOP, Path("t.yaml"), {}).processors) == ["ship"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: the file is empty (begin with version: 1 and name: <a name>)"),
        (
            "a: b\n\tc: d",
            "2:1: not YAML: found character '\\t' that cannot start any token (YAML indents with spaces, never with tabs)",
        ),
        ("name: a\x07", "1:8: a character that YAML does not allow (remove control characters)"),
        ("# é\nname: é\0", "2:8: a character that YAML does not allow (remove control characters)"),
        ("name: a\nprocessors: { p: { topics: 'a\n\n  b' } }", "processors.p.topics must be a list (write [a\\nb])"),
    ],
)
def test_invisible_mistakes(text, expected):
    with pytest.raises(TopologyError) as caught:
        read_text(text, Path("t.yaml"), {})

    assert any(str(problem).endswith(expected) for problem in caught.value.problems)
