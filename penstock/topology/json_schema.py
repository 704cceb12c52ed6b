"""The JSON Schema of the topology file, for editors; derived from the options of model.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from penstock.topology.built_in import BUILT_IN
from penstock.topology.kinds import KINDS, VARIABLE_PATTERN, bounded
from penstock.topology.memory_options import MEMORIES
from penstock.topology.model import Topology
from penstock.topology.option import Option, options

CHOSEN_BY_TYPE: Final[Mapping[str, Mapping[str, type]]] = MappingProxyType(
    {"connectors": BUILT_IN, "memories": MEMORIES}
)
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """A draft 2020-12 schema. Weaker than the linter: it knows keys and kinds, not what names refer to."""
    definitions = {section.__name__: _section(section) for section in sections(Topology) if section is not Topology}
    return {"$schema": DIALECT, "title": "penstock topology", **_section(Topology), "$defs": definitions}


def sections(root: type) -> Iterator[type]:
    """`root` and every section under it, each once, in the order of declaration."""
    seen: list[type] = []

    def visit(section: type) -> None:
        if section not in seen:
            seen.append(section)
            for option in options(section).values():
                for inner in (*CHOSEN_BY_TYPE.get(option.kind, {}).values(), option.section):
                    if inner is not None:
                        visit(inner)

    visit(root)
    yield from seen


def default_of(section: type, key: str) -> Any:
    """The default of a key; dataclasses.MISSING where it is required or a section of its own."""
    declared = next(found for found in dataclasses.fields(section) if found.name == key)
    if declared.default_factory is not dataclasses.MISSING:
        return dataclasses.MISSING
    return declared.default


def _section(section: type) -> dict[str, Any]:
    declared = options(section)
    schema: dict[str, Any] = {
        "type": "object" if section is Topology else ["object", "null"],
        "description": (section.__doc__ or "").strip().split("\n")[0],
        "properties": {key: _property(option) for key, option in declared.items()},
        "additionalProperties": False,
    }
    if chosen := getattr(section, "connector", "") or getattr(section, "memory", ""):
        schema["properties"]["type"]["const"] = chosen
    required = [key for key, option in declared.items() if option.required]
    return {**schema, "required": required} if required else schema


def _property(option: Option) -> dict[str, Any]:
    described: dict[str, Any] = {"description": option.doc}
    if option.section is not None:
        reference = {"$ref": f"#/$defs/{option.section.__name__}"}
        if option.kind == "section":
            return {**described, **reference}
        return {**described, "type": ["object", "null"], "additionalProperties": reference}
    if option.kind in CHOSEN_BY_TYPE:
        return {**described, "type": ["object", "null"], "additionalProperties": _any_of(option.kind)}
    if option.choices:
        return {**described, "anyOf": [{"enum": list(option.choices)}, {"pattern": VARIABLE_PATTERN}]}
    shape = dict(KINDS[option.kind].schema)
    if bounded(option.kind):
        number, *others = shape["anyOf"]
        limits = {"minimum": option.least, "maximum": option.most}
        number = {**number, **{name: limit for name, limit in limits.items() if limit is not None}}
        shape["anyOf"] = [number, *others]
    if shape.get("type") == "object":
        shape["type"] = ["object", "null"]
    return {**described, **shape, **({"examples": _examples(option)} if option.example else {})}


def _any_of(kind: str) -> dict[str, Any]:
    """By `type`: one of ours with exactly its keys; of connectors the app's own too, with whatever it declares."""
    own: dict[str, Any] = {"type": "object", "required": ["type"], "properties": {"type": {"pattern": ":"}}}
    ours = [{"$ref": f"#/$defs/{options.__name__}"} for options in CHOSEN_BY_TYPE[kind].values()]
    return {"anyOf": [*ours, own] if kind == "connectors" else ours}


def _examples(option: Option) -> list[Any]:
    import yaml

    return [yaml.safe_load(option.example)]
