"""What a topology refers to on disk: schemas, their history, the interpreter."""

import json

import pytest

from penstock.topology.reader import inspect

RECORD = {"type": "record", "name": "Bill", "fields": [{"name": "due", "type": "long"}]}
DATED = {
    "type": "record",
    "name": "Bill",
    "fields": [{"name": "due", "type": {"type": "long", "logicalType": "timestamp-millis"}}],
}
DEFAULTED = {"type": "record", "name": "Bill", "fields": [{"name": "due", "type": "long", "default": 0}]}
DOCUMENTED = {"type": "record", "name": "Bill", "doc": "Owed.", "fields": [{"name": "due", "type": "long"}]}
WIDER = {
    "type": "record",
    "name": "Bill",
    "fields": [{"name": "due", "type": "long"}, {"name": "sum", "type": "int", "default": 0}],
}
CONFUSED = (
    "differ only in logical types or defaults "
    "(their fingerprints are equal, readers would mix them up: rename the field)"
)
BILLS = "name: shop\ntopics:\n  bills: { type: bill, schema: bill.avsc }\n"


def problems(folder, text):
    found = inspect(text, folder / "topology.yaml", {}).problems
    return [str(problem).removeprefix(f"{folder / 'topology.yaml'}:") for problem in found]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON: Expecting value at line 1 column 1"),
        (b'{\n"type": }', "is not JSON: Expecting value at line 2 column 9"),
        (b"\xff\xfe\xfd", "is not JSON: 'utf-16"),
        (b"[" * 100_000, "is not JSON: maximum recursion depth"),
        (b"5", "is not Avro: "),
        (b"{}", "is not Avro: "),
        (b'{"type": "record", "name": "B"}', "is not Avro: ValueError: record B has no list of fields"),
        (
            b'{"type": "record", "name": "B", "fields": [{"name": "a", "type": "lnog"}]}',
            "is not Avro: UnknownType: lnog",
        ),
    ],
)
def test_a_schema_that_is_none(tmp_path, content, reason):
    (tmp_path / "bill.avsc").write_bytes(content)

    (problem,) = problems(tmp_path, BILLS)

    assert problem.startswith(f'3:32: the schema "bill.avsc" {reason}')


def test_a_schema_that_is_not_there(tmp_path):
    assert problems(tmp_path, BILLS) == [
        '3:32: the schema "bill.avsc" cannot be read: No such file or directory (paths begin at the topology\'s folder)'
    ]


def test_a_type_has_one_schema(tmp_path):
    for name in ("bill.avsc", "other.avsc"):
        (tmp_path / name).write_text(json.dumps(RECORD))

    text = (
        BILLS + "  more: { types: { bill: other.avsc, order: bill.avsc } }\n  same: { type: bill, schema: bill.avsc }\n"
    )

    assert problems(tmp_path, text) == [
        '4:26: event type "bill" has a second schema, "other.avsc" (line 3 says bill.avsc: a type has one schema)'
    ]


@pytest.mark.parametrize(
    ("former", "current", "confused"),
    [
        ([RECORD], RECORD, None),
        ([RECORD], WIDER, None),
        ([RECORD], DOCUMENTED, None),
        ([RECORD, WIDER], WIDER, None),
        ([RECORD], DATED, ("bill.avsc", "schemas/history/bill/1.avsc")),
        ([RECORD], DEFAULTED, ("bill.avsc", "schemas/history/bill/1.avsc")),
        ([RECORD, DATED], WIDER, ("schemas/history/bill/1.avsc", "schemas/history/bill/2.avsc")),
    ],
)
def test_schemas_that_differ_only_in_logical_types_or_defaults_are_refused(tmp_path, former, current, confused):
    history = tmp_path / "schemas" / "history" / "bill"
    history.mkdir(parents=True)
    for number, schema in enumerate(former, start=1):
        (history / f"{number}.avsc").write_text(json.dumps(schema))
    (tmp_path / "bill.avsc").write_text(json.dumps(current, indent=2))

    found = problems(tmp_path, BILLS)

    if confused is None:
        assert found == []
    else:
        assert found == [f"3:32: the schemas {confused[0]} and {confused[1]} {CONFUSED}"]


def test_a_broken_entry_of_the_history_is_named(tmp_path):
    history = tmp_path / "schemas" / "history" / "bill"
    history.mkdir(parents=True)
    (history / "1.avsc").write_text("{")
    (tmp_path / "bill.avsc").write_text(json.dumps(RECORD))

    (problem,) = problems(tmp_path, BILLS)

    assert problem.startswith('3:32: the schema "schemas/history/bill/1.avsc" is not JSON')


def test_an_interpreter_must_be_there_and_run(tmp_path):
    (tmp_path / "text").write_text("")
    template = "name: a\ntopics: {{ t: {{}} }}\nprocessors: {{ p: {{ handler: 'b:c', topics: [t], python: {} }} }}\n"

    assert problems(tmp_path, template.format("none")) == [
        '3:57: no interpreter at "none" (create the environment first)'
    ]
    assert problems(tmp_path, template.format("text")) == ['3:57: "text" is not executable (name the python itself)']
    assert "cannot be looked at" in problems(tmp_path, template.format("x" * 300))[0]


def test_a_link_to_an_interpreter_stays_a_link(tmp_path):
    """A virtual environment's python is a link; followed, it would no longer be that environment's."""
    real = tmp_path / "real"
    real.write_text("#!/bin/sh\n")
    real.chmod(0o755)
    (tmp_path / "link").symlink_to(real)
    text = "name: a\ntopics: { t: {} }\nprocessors: { p: { handler: 'b:c', topics: [t], python: link } }\n"

    reading = inspect(text, tmp_path / "topology.yaml", {})

    assert reading.problems == ()
    assert reading.topology.processors["p"].python == tmp_path / "link"
