"""Schemas: files that exist and are what they say, one per event type, a history whose entries can be told apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.errors import Problem
from penstock.schema.formats import SUFFIXES
from penstock.topology.marks import Mark, Marks
from penstock.topology.model import Topic, Topology
from penstock.topology.wording import clean, quoted, shown

_Declared = tuple[str, Path, Mark]


def check(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Every problem with schemas."""
    for topic in topology.topics.values():
        yield from _needs_type(topic, marks)
        yield from _one_subject_per_type(topology, topic, marks)
    yield from _registry(topology, marks)
    declared = [found for topic in topology.topics.values() for found in _declared(topic, marks)]
    yield from _one_schema_per_type(declared, marks)
    good: dict[Path, Any] = {}
    for _, path, mark in declared:
        if path not in good:
            schema, reason, hint = _load(path, topology.directory)
            if reason:
                yield marks.problem(mark, reason, hint)
            good[path] = schema
    seen: set[str] = set()
    for event_type, path, mark in declared:
        if event_type and event_type not in seen and good[path] is not None:
            seen.add(event_type)
            yield from _history(topology, event_type, (path, good[path]), mark, marks)


def history_directory(topology: Topology, event_type: str) -> Path:
    """Where former schemas of an event type are kept: `schemas/history/<type>/<n>.avsc`."""
    return topology.directory / "schemas" / "history" / event_type


def _needs_type(topic: Topic, marks: Marks) -> Iterator[Problem]:
    path = ("topics", topic.name)
    if topic.schema and not topic.type and marks.sound(*path, "type"):
        message = f"topic {quoted(topic.name)} has a schema but no type"
        yield marks.problem(marks.value(*path, "schema"), message, "add type: <event type>, the type it describes")


def _one_subject_per_type(topology: Topology, topic: Topic, marks: Marks) -> Iterator[Problem]:
    """Under one subject a registry takes several schemas for versions of one."""
    registry = topology.schema_registry
    if registry is not None and registry.subjects == "topic" and len(topic.schemas) > 1:
        message = f"topic {quoted(topic.name)} has several schemas, and the registry would hold one subject for them"
        mark = marks.value("topics", topic.name, "types")
        yield marks.problem(mark, message, "set schema_registry: { subjects: topic_record }")


def _registry(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Credentials belong into secrets, and nothing that says where may carry one."""
    registry = topology.schema_registry
    if registry is None:
        return
    if any("@" in url.partition("://")[2].partition("/")[0] for url in registry.url.split(",")):
        message = "the address of the schema registry carries credentials"
        yield marks.problem(marks.value("schema_registry", "url"), message, "use username and password: ${NAME}")
    if (registry.username is None) != (registry.password is None) and marks.sound("schema_registry", "password"):
        yield marks.problem(
            marks.key("schema_registry"), "username and password of the registry go together", "give both"
        )


def _declared(topic: Topic, marks: Marks) -> Iterator[_Declared]:
    path = ("topics", topic.name)
    if topic.schema:
        yield topic.type or "", topic.schema, marks.value(*path, "schema")
    for event_type, schema in topic.types.items():
        yield event_type, schema, marks.value(*path, "types", event_type)


def _one_schema_per_type(declared: list[_Declared], marks: Marks) -> Iterator[Problem]:
    """A record names its schema by event type alone, so a type has one schema in the whole topology."""
    first: dict[str, _Declared] = {}
    for found in sorted(declared, key=lambda entry: entry[2]):
        event_type, path, mark = found
        if not event_type:
            continue
        _, other, other_mark = first.setdefault(event_type, found)
        if other != path:
            message = f"event type {quoted(event_type)} has a second schema, {quoted(path.name)}"
            yield marks.problem(
                mark, message, f"line {other_mark.line} says {clean(other.name)}: a type has one schema"
            )


def _load(path: Path, directory: Path) -> tuple[Any, str, str]:
    """The schema's JSON and no reason; or None, with the reason and a hint."""
    name = f'"{shown(path, directory)}"'
    if path.suffix not in SUFFIXES:
        return None, f"the schema {name} is of no known kind", "name it .avsc (Avro) or .json (JSON Schema)"
    hint = "a schema file holds one JSON object"
    try:
        schema = json.loads(path.read_bytes())
    except OSError as error:
        return (
            None,
            f"the schema {name} cannot be read: {error.strerror or error}",
            "paths begin at the topology's folder",
        )
    except json.JSONDecodeError as error:
        reason = f"{clean(error.msg)} at line {error.lineno} column {error.colno}"
        return None, f"the schema {name} is not JSON: {reason}", hint
    except (ValueError, RecursionError) as error:
        return None, f"the schema {name} is not JSON: {clean(str(error))}", hint
    if path.suffix == ".json":
        return _json_schema(name, schema)
    return _avro(name, schema)


def _json_schema(name: str, schema: Any) -> tuple[Any, str, str]:
    from penstock.errors import MissingExtra
    from penstock.schema import json_schema

    try:
        json_schema.parse("", json.dumps(schema).encode())
    except MissingExtra as error:
        return None, f"the schema {name} cannot be checked: {error.message}", error.hint
    except ValueError as error:
        return None, f"the schema {name} is not a JSON Schema: {clean(str(error))}", "see json-schema.org"
    return schema, "", ""


def _avro(name: str, schema: Any) -> tuple[Any, str, str]:
    import fastavro

    try:
        fastavro.parse_schema(schema)
        _check_fields(schema)
        _fingerprint(schema)
    except Exception as error:  # noqa: BLE001 - fastavro raises KeyError, TypeError ... for what is no schema
        reason = f"{type(error).__name__}: {error}"
        return None, f"the schema {name} is not Avro: {reason}", "see the Avro specification, Schema Declaration"
    return schema, "", ""


def _history(
    topology: Topology, event_type: str, current: tuple[Path, Any], mark: Mark, marks: Marks
) -> Iterator[Problem]:
    """Entries with one fingerprint but different content: a reader of single-object encoding cannot tell them apart."""
    entries = [current]
    try:
        files = sorted(file for file in history_directory(topology, event_type).glob("*") if file.suffix in SUFFIXES)
    except (OSError, ValueError):
        files = []
    for file in files:
        schema, reason, hint = _load(file, topology.directory)
        if reason:
            yield marks.problem(mark, reason, hint)
        elif file.suffix == ".avsc":
            entries.append((file, schema))
    if current[0].suffix != ".avsc":
        entries.remove(current)
    known: dict[str, tuple[Path, Any]] = {}
    for path, schema in reversed(entries):
        other, other_schema = known.setdefault(_fingerprint(schema), (path, schema))
        if _without_docs(other_schema) != _without_docs(schema):
            pair = f"{shown(path, topology.directory)} and {shown(other, topology.directory)}"
            message = f"the schemas {pair} differ only in logical types or defaults"
            yield marks.problem(
                mark, message, "their fingerprints are equal, readers would mix them up: rename the field"
            )


def _check_fields(schema: Any) -> None:
    """The specification demands `fields` of a record; fastavro does not. Raises ValueError."""
    if isinstance(schema, list):
        for branch in schema:
            _check_fields(branch)
    elif isinstance(schema, dict):
        if schema.get("type") in ("record", "error") and not isinstance(schema.get("fields"), list):
            raise ValueError(f"record {clean(str(schema.get('name')))} has no list of fields")
        for inner in (schema.get("type"), schema.get("items"), schema.get("values"), *schema.get("fields", ())):
            _check_fields(inner)


def _fingerprint(schema: Any) -> str:
    from fastavro.schema import fingerprint, to_parsing_canonical_form

    return str(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def _without_docs(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_docs(value) for key, value in schema.items() if key != "doc"}
    if isinstance(schema, list):
        return [_without_docs(value) for value in schema]
    return schema
