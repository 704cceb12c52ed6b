"""`penstock schemas`: what the event types look like, what a change of that breaks, and recording it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.output import note, say, structured, table

if TYPE_CHECKING:
    from penstock.deploy.schemas import Registration, Reviewed
    from penstock.topology.model import Topology


@click.group()
def schemas() -> None:
    """Schemas of event types: their history, their registry, and whether a change breaks readers."""


@schemas.command("ls")
@options.file
@options.output
@click.pass_context
def list_(ctx: click.Context, path: Path, form: str) -> None:
    """Every event type with a schema, its topics, its history, and its place in the registry."""
    topology = doors.of(ctx).topology(path)
    rows = [_row(found, _registered(topology)) for found in _reviewed(topology)]
    if form != "table":
        structured(rows, form)
        return
    columns = ("TYPE", "TOPICS", "LANGUAGE", "HISTORY", "RECORDED", "REGISTRY")
    table(
        columns,
        [(r["type"], ", ".join(r["topics"]), r["language"], r["history"], _word(r), r["registry"]) for r in rows],
    )


def _word(row: dict[str, Any]) -> str:
    return "yes" if row["recorded"] else "not yet"


def _row(found: Reviewed, registered: list[Registration]) -> dict[str, Any]:
    there = [
        f"{one.subject} " + (f"version {one.version}, id {one.number}" if one.number is not None else "absent")
        for one in registered
        if one.type == found.type
    ]
    return {
        "type": found.type,
        "topics": [topic.name for topic in found.topics],
        "language": found.schema.language,
        "history": len(found.history),
        "recorded": found.recorded,
        "registry": "; ".join(there) or None,
    }


@schemas.command()
@options.file
@options.output
@click.pass_context
def check(ctx: click.Context, path: Path, form: str) -> None:
    """Whether each schema goes with its history and with the registry; exit 1 where one would break readers."""
    topology = doors.of(ctx).topology(path)
    reviewed = _reviewed(topology)
    refusals = [refusal for found in reviewed for refusal in found.refusals]
    refusals += [one.refusal for one in _registered(topology) if one.refusal]
    _report(reviewed, refusals, form)
    ctx.exit(1 if refusals else 0)


def _report(reviewed: tuple[Reviewed, ...], refusals: list[str], form: str) -> None:
    if form != "table":
        structured({"ok": not refusals, "refusals": refusals}, form)
        return
    for refusal in refusals:
        say(f"refused: {refusal}", style="bad")
    if not refusals:
        compared = sum(len(found.history) for found in reviewed)
        say(f"ok: {len(reviewed)} schemas, compared with {compared} former ones", style="good")


@schemas.command()
@options.file
@options.dry_run
@click.argument("types", nargs=-1)
@click.pass_context
def add(ctx: click.Context, path: Path, types: tuple[str, ...], *, dry_run: bool) -> None:
    """Record the current schemas (of TYPES, else of all) in schemas/history, and in the registry where there is one.

    Nothing is recorded or registered where one of them would break readers.
    """
    from penstock.deploy import schemas as deployed

    topology = doors.of(ctx).topology(path)
    known = _reviewed(topology)
    if strange := sorted(set(types) - {found.type for found in known}):
        raise click.UsageError(f"no schema for {', '.join(strange)}; there are {', '.join(f.type for f in known)}")
    chosen = tuple(found for found in known if not types or found.type in types)
    registered = [one for one in _registered(topology) if one.type in {found.type for found in chosen}]
    refusals = [refusal for found in chosen for refusal in found.refusals]
    refusals += [one.refusal for one in registered if one.refusal]
    if refusals:
        _report(chosen, refusals, "table")
        note("nothing was recorded")
        ctx.exit(1)
    done = 0
    for found in chosen:
        if not found.recorded:
            target = None if dry_run else deployed.record(found, topology.directory)
            say(f"{found.type}: " + (f"recorded as {target}" if target else "would be recorded"))
            done += 1
    done += _register(topology, registered, dry_run=dry_run)
    if not done:
        say("nothing to do: all are recorded")


def _register(topology: Topology, registered: list[Registration], *, dry_run: bool) -> int:
    from penstock.schema.registry import Registry

    done = 0
    for one in registered:
        if one.number is None and topology.schema_registry is not None:
            words = "would be registered"
            if not dry_run:
                registry = Registry(topology.schema_registry)
                number = registry.register(one.subject, one.schema.language, one.schema.text)
                words = f"registered with id {number}"
            say(f"{one.subject}: {words}")
            done += 1
    return done


def _reviewed(topology: Topology) -> tuple[Reviewed, ...]:
    from penstock.deploy.schemas import review

    return review(topology)


def _registered(topology: Topology) -> list[Registration]:
    if topology.schema_registry is None:
        return []
    from penstock.deploy.schemas import registrations
    from penstock.schema.registry import Registry

    return list(registrations(topology, Registry(topology.schema_registry)))
