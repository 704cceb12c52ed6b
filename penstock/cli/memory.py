"""penstock memory: look at what agents remember, move it, forget it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from penstock.cli import doors, options
from penstock.cli.output import note, say, structured, table

if TYPE_CHECKING:
    from penstock.memory.contract import Backend
    from penstock.topology.model import Topology

T = TypeVar("T")
Verb = TypeVar("Verb", bound=Callable[..., Any])


def which(verb: Verb) -> Verb:
    """Whose memory: in which of the topology's memories, and of whom."""
    for name, text in (
        ("conversation", "Of this conversation (the key of its events)."),
        ("agent", "Of this processor; '' is what all of them share."),
        ("tenant", "Of this tenant; '' is what no tenant owns."),
    ):
        verb = click.option(f"--{name}", default=None, help=text)(verb)
    return click.option("--memory", "names", multiple=True, help="In this memory only; may repeat.")(verb)


@click.group()
def memory() -> None:
    """What agents remember: values, conversations and notes."""


@memory.command()
@options.file
@options.output
@which
@click.option("--forgotten", is_flag=True, help="The record of what was forgotten, instead.")
@click.pass_context
def show(
    ctx: click.Context, /, path: Path, form: str, names: tuple[str, ...], *, forgotten: bool, **asked: Any
) -> None:
    """List who is remembered; of a single scope, everything that is."""
    from penstock.memory import custody

    async def look(backend: Backend) -> list[dict[str, Any]]:
        if forgotten:
            return await custody.record(backend)
        return [
            await custody.contents(backend, scope, time.time())
            for scope in await custody.scopes(backend, custody.Which(**asked))
        ]

    found = [{"memory": name, **one} for name, listed in _each(ctx, path, names, look).items() for one in listed]
    if form != "table":
        structured(found, form)
    elif forgotten:
        columns = ("by", "why", "values", "turns", "notes")
        rows = [
            (
                one["memory"],
                time.strftime("%F %T", time.localtime(one["at"])),
                len(one["scopes"]),
                *map(one.get, columns),
            )
            for one in found
        ]
        table([column.upper() for column in ("memory", "at", "scopes", *columns)], rows)
    elif len(found) == 1:
        _tell(found[0])
    else:
        heads = ("MEMORY", "TENANT", "AGENT", "CONVERSATION", "VALUES", "TURNS", "NOTES")
        parts = ("memory", "tenant", "agent", "conversation")
        counted = ("values", "history", "notes")
        table(heads, [[*(one[part] or None for part in parts), *(len(one[part]) for part in counted)] for one in found])


def _tell(one: dict[str, Any]) -> None:
    say(f"{one['memory']}: tenant {one['tenant'] or '-'}, agent {one['agent'] or '-'}, {one['conversation'] or '-'}")
    for title in ("values", "history", "notes"):
        if one[title]:
            say(title, style="head")
    for name, value in one["values"].items():
        say(f"  {name} = {json.dumps(value, ensure_ascii=False)}")
    for turn in one["history"]:
        said = turn.get("content") if isinstance(turn.get("content"), str) else json.dumps(turn, ensure_ascii=False)
        say(f"  {turn.get('role', '-')}: {said}")
    for kept in one["notes"]:
        gone = f"  (retired: {kept['changes'][-1]['why']})" if kept["retired"] and kept["changes"] else ""
        say(f"  {kept['importance']:.2f} {kept['text']}{gone}", style="dim" if kept["retired"] else "")


@memory.command()
@options.file
@which
@click.pass_context
def export(ctx: click.Context, /, path: Path, names: tuple[str, ...], **asked: Any) -> None:
    """Write everything that is remembered, one scope a line, as JSON."""
    from penstock.memory import custody

    async def write(backend: Backend) -> list[str]:
        return [
            json.dumps(await custody.contents(backend, scope, time.time()), ensure_ascii=False)
            for scope in await custody.scopes(backend, custody.Which(**asked))
        ]

    for lines in _each(ctx, path, names, write).values():
        for line in lines:
            click.echo(line)


@memory.command()
@options.file
@options.yes
@options.dry_run
@which
@click.option("--why", default="", help="What the record says: a request's number, say.")
@click.pass_context
def forget(
    ctx: click.Context, /, path: Path, names: tuple[str, ...], *, yes: bool, dry_run: bool, why: str, **asked: Any
) -> None:
    """Forget somebody in every memory of the topology, with a record of it."""
    from penstock.memory import custody

    if all(part is None for part in asked.values()):
        raise click.UsageError("say who is to be forgotten: --conversation, --tenant or --agent")

    def found() -> dict[str, Any]:
        return _each(ctx, path, names, lambda backend: custody.scopes(backend, custody.Which(**asked)))

    scopes = found()
    for name, listed in scopes.items():
        for scope in listed:
            say(f"{name}: tenant {scope.tenant or '-'}, agent {scope.agent or '-'}, {scope.conversation or '-'}")
    count = sum(len(listed) for listed in scopes.values())
    if dry_run or not count:
        note(f"{count} scopes would be forgotten" if count else "nothing is remembered of them")
        return
    if not yes:
        click.confirm(f"Forget these {count} scopes for good?", abort=True)
    by = os.environ.get("USER", "") or "unknown"

    async def gone(backend: Backend) -> Any:
        meant = await custody.scopes(backend, custody.Which(**asked))
        return await custody.forget(backend, meant, by=by, why=why, now=time.time())

    for name, total in _each(ctx, path, names, gone).items():
        say(
            f"{name}: forgot {total.values} values, {total.turns} turns, {total.notes} notes, "
            f"{total.fences} kept answers",
            style="good",
        )
    note("the events themselves stand in their topics until their retention is over")


def _each(
    ctx: click.Context, path: Path, names: tuple[str, ...], work: Callable[[Backend], Awaitable[T]]
) -> dict[str, T]:
    """Do something in every memory that is meant, by its name."""
    import asyncio

    topology = doors.of(ctx).topology(path)
    unknown = [name for name in names if name not in topology.memory]
    if unknown or not topology.memory:
        there = f"there are {', '.join(topology.memory)}" if topology.memory else "declare one under memory:"
        raise click.UsageError(f"no such memory: {', '.join(unknown) or 'the topology has none'} ({there})")

    async def done() -> dict[str, T]:
        found = {}
        for name in names or tuple(topology.memory):
            async with _open(topology, name) as backend:
                found[name] = await work(backend)
        return found

    return asyncio.run(done())


@asynccontextmanager
async def _open(topology: Topology, name: str) -> AsyncIterator[Backend]:
    from penstock.memory.opening import backend_of

    backend = backend_of(topology.memory[name], topology)
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()
