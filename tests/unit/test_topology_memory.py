"""The `memory` section: the type chooses the keys, and every mistake has its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.topology.json_schema import json_schema
from penstock.topology.memory_options import MEMORIES, SqliteMemory
from penstock.topology.reader import inspect

START = """version: 1
name: desk
topics: { asked: { partitions: 1, configs: { retention.ms: 604800000 } } }
"""
PROCESSOR = "processors: { answer: { handler: a:b, topics: [asked], memory: main } }\n"


def problems(text: str) -> list[str]:
    found = inspect(START + text, Path("topology.yaml"), {}).problems
    return [str(problem).partition(":")[2] for problem in found]


def test_a_memory_is_read_by_its_type():
    reading = inspect(START + PROCESSOR + "memory: { main: { type: sqlite, half_life: 7d } }", Path("t.yaml"), {})

    assert reading.problems == ()
    assert reading.topology.memory == {"main": SqliteMemory(type="sqlite", name="main", half_life=604800.0)}
    assert reading.topology.processors["answer"].memory == "main"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("memory: { main: {} }", '4:11: memory "main" has no type (write { type: sqlite })'),
        ("memory: { main: { type: sqlit } }", '4:25: unknown memory type "sqlit" (did you mean sqlite?)'),
        ("memory: { main: { type: sqlite, pth: x } }", '4:33: unknown key "pth" in memory.main'),
        ("memory: { a/b: { type: sqlite } }", '4:11: memory "a/b" has a name that not every store takes'),
        ("memory: { main: { type: sqlite, embed: vectors } }", '4:40: embed "vectors" is not module:function'),
        (PROCESSOR, '4:64: memory "main" is not declared (declare it under memory: main: { type: sqlite })'),
        (PROCESSOR + "memory: { mian: { type: sqlite } }", 'memory "main" is not declared (did you mean mian?)'),
        (
            PROCESSOR + "memory: { main: { type: sqlite, fence_retention: 7d } }",
            '5:50: fence_retention of memory "main" is 168h, and topic "asked" keeps its records for 168h',
        ),
    ],
)
def test_a_mistake_has_its_place(text, said):
    (found,) = problems(text)

    assert said in found


def test_the_schema_for_editors_knows_every_type():
    schema = json_schema()
    refs = [one["$ref"].rpartition("/")[2] for one in schema["properties"]["memory"]["additionalProperties"]["anyOf"]]

    assert refs == [options.__name__ for options in MEMORIES.values()]
    assert schema["$defs"]["SqliteMemory"]["properties"]["type"]["const"] == "sqlite"
