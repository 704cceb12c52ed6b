"""The schemas beside a topology: each type's current one, and `schemas/history/<type>/<n>.avsc` for older records.

Files are read when a type is first met and kept. Avro (`.avsc`) and JSON Schema (`.json`) stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from penstock.errors import UnknownSchema
from penstock.schema.formats import SUFFIXES, Schema, parse
from penstock.topology.model import Topology

HISTORY: Final = Path("schemas/history")


class Schemas(Protocol):
    """Where the codec finds schemas."""

    @property
    def types(self) -> frozenset[str]:
        """The event types that have a schema; every other one is JSON."""
        ...

    def current(self, type_: str) -> Schema:
        """The schema a type is written and read with now. Raises UnknownSchema where it cannot be had."""
        ...

    def by_digest(self, type_: str, digest: str) -> Schema | None:
        """The schema that `ce_dataschema` names exactly."""
        ...

    def by_fingerprint(self, type_: str, fingerprint: bytes) -> Schema | None:
        """A schema with this fingerprint, the type's own first, newest first."""
        ...


class SchemaFiles:
    """The schemas of one topology, from its files."""

    def __init__(self, topology: Topology | None) -> None:
        self._directory = topology.directory if topology else Path()
        self._paths = dict(_declared(topology)) if topology else {}
        self._loaded: dict[str, tuple[Schema, ...]] = {}

    @property
    def types(self) -> frozenset[str]:
        """The event types with a schema in the topology."""
        return frozenset(self._paths)

    def current(self, type_: str) -> Schema:
        """The type's schema file, parsed. Raises UnknownSchema where it cannot be read."""
        return self._of(type_)[0]

    def by_digest(self, type_: str, digest: str) -> Schema | None:
        """Looked for in the type's own schemas, then in all."""
        return next((found for found in self._candidates(type_) if found.digest == digest), None)

    def by_fingerprint(self, type_: str, fingerprint: bytes) -> Schema | None:
        """Looked for in the type's own schemas, then in all."""
        found = self._candidates(type_)
        return next((one for one in found if getattr(one, "fingerprint", None) == fingerprint), None)

    def _candidates(self, type_: str) -> Iterator[Schema]:
        if type_ in self._paths:
            yield from self._of(type_)
        for other in self._paths:
            if other != type_:
                yield from self._of(other)

    def _of(self, type_: str) -> tuple[Schema, ...]:
        """The type's current schema, then its history, newest first."""
        found = self._loaded.get(type_)
        if found is None:
            paths = [self._directory / self._paths[type_], *history_files(self._directory, type_)]
            found = self._loaded[type_] = tuple(_load(type_, path) for path in paths)
        return found


def history_files(directory: Path, type_: str) -> list[Path]:
    """The former schemas of a type, newest first."""
    found = (directory / HISTORY / type_).glob("*")
    return sorted((path for path in found if path.suffix in SUFFIXES), key=_age)


def _declared(topology: Topology) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for topic in topology.topics.values():
        for type_, path in topic.schemas.items():
            found.setdefault(type_, path)
    return found


def _age(path: Path) -> tuple[int, str]:
    """Newest first: the highest number, names that are none last."""
    return (-int(path.stem) if path.stem.isascii() and path.stem.isdigit() else 1, path.name)


def _load(type_: str, path: Path) -> Schema:
    try:
        return parse(type_, path)
    except (OSError, ValueError) as error:
        why = f"the schema of event type {type_} cannot be read: {path}: {error}"
        raise UnknownSchema(why, "penstock lint shows every such file") from error
