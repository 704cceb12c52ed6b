"""The schemas of a topology beside their history and their registry: what changed, what that breaks, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.deploy.plan import RegisterSchema
from penstock.errors import PenstockError
from penstock.schema.compatibility import breaks
from penstock.schema.files import history_files
from penstock.schema.formats import Schema, parse
from penstock.schema.registry import Registry
from penstock.topology.model import Topic, Topology
from penstock.topology.wording import shown


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One event type's schema. `topics` carry the type; `refusals` say what its change breaks and for whom."""

    type: str
    path: Path
    schema: Schema
    topics: tuple[Topic, ...]
    history: tuple[Path, ...]  # newest first
    recorded: bool  # whether the current schema stands in the history
    refusals: tuple[str, ...]


def review(topology: Topology) -> tuple[Reviewed, ...]:
    """Every schema against all of its history, as `compatibility` of its topics demands. Reads files only.

    Raises MissingExtra where a checker is needed and not installed.
    """
    return tuple(_reviewed(topology, type_, path) for type_, path in sorted(_declared(topology).items()))


def _declared(topology: Topology) -> dict[str, Path]:
    return {type_: path for topic in topology.topics.values() for type_, path in topic.schemas.items()}


def _reviewed(topology: Topology, type_: str, path: Path) -> Reviewed:
    schema = parse(type_, path)
    topics = tuple(topic for topic in topology.topics.values() if type_ in topic.schemas)
    history = tuple(history_files(topology.directory, type_))
    former = {file: parse(type_, file) for file in history}
    refusals = [
        f"{shown(path, topology.directory)} does not go with {shown(file, topology.directory)}: {broken}"
        f" ({whom(topology, topic, type_)})"
        for topic in topics
        for file, old in former.items()
        for broken in breaks(topic.compatibility, schema, old)
    ]
    recorded = any(old.digest == schema.digest for old in former.values())
    return Reviewed(type_, path, schema, topics, history, recorded, tuple(dict.fromkeys(refusals)))


def whom(topology: Topology, topic: Topic, type_: str) -> str:
    """The processors that handle the type on this topic, in words."""
    readers = [
        reader.name
        for reader in topology.processors.values()
        if topic.name in reader.topics and (not reader.types or type_ in reader.types)
    ]
    return (
        f"it would break {', '.join(readers)} on {topic.name}" if readers else f"no processor here reads {topic.name}"
    )


def record(found: Reviewed, directory: Path) -> Path | None:
    """Write the current schema into the history as its next entry; None where it stands there already."""
    if found.recorded:
        return None
    numbers = [int(path.stem) for path in found.history if path.stem.isascii() and path.stem.isdigit()]
    target = directory / "schemas" / "history" / found.type / f"{max(numbers, default=0) + 1}{found.path.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(found.path.read_bytes())
    return target


@dataclass(frozen=True, slots=True)
class Registration:
    """A schema in the registry: its subject, and number and version there (None: not registered)."""

    subject: str
    type: str
    topic: str
    schema: Schema
    number: int | None
    version: int | None
    refusal: str = ""


def registrations(topology: Topology, registry: Registry) -> Iterator[Registration]:
    """How each topic's schemas stand in the registry, judged by its own rules. Blocks; raises PenstockError."""
    for topic in topology.topics.values():
        for type_, path in topic.schemas.items():
            yield _registration(topology, topic, parse(type_, path), registry)


def _registration(topology: Topology, topic: Topic, schema: Schema, registry: Registry) -> Registration:
    subject, stated = registry.subject(topic.name, schema), registry.stated(schema)
    there = registry.ask_known(lambda client: client.lookup_schema(subject, stated))
    if there is not None:
        return Registration(subject, schema.type, topic.name, schema, there.schema_id, there.version)
    fits = registry.ask_known(lambda client: client.test_compatibility_all_versions(subject, stated))
    refusal = ""
    if fits is False:  # None: the subject is new
        consumers = whom(topology, topic, schema.type)
        refusal = f"the registry refuses the schema of {schema.type} under {subject}: it is incompatible ({consumers})"
    return Registration(subject, schema.type, topic.name, schema, None, None, refusal)


def outlook(topology: Topology, registry: Registry | None) -> tuple[tuple[RegisterSchema, ...], tuple[str, ...]]:
    """What a plan says of schemas: registrations to make, and refusals. Blocks; reads files, asks the registry."""
    refusals: list[str] = []
    wanted: list[RegisterSchema] = []
    try:
        refusals += [refusal for found in review(topology) for refusal in found.refusals]
        for found in registrations(topology, registry) if registry else ():
            if found.refusal:
                refusals.append(found.refusal)
            elif found.number is None:
                wanted.append(RegisterSchema(found.subject, found.type, found.schema.language, found.schema.text))
    except PenstockError as error:
        refusals.append(str(error))
    return () if refusals else tuple(wanted), tuple(refusals)
