"""The verb dlt: dead letters listed, shown, replayed, discarded and purged."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.dead_letter_filters import filters_of, filters_options, position_of, processor_option
from penstock.cli.dead_letter_mend import mend
from penstock.cli.dead_letter_replay import replay
from penstock.cli.dead_letter_text import (
    CLUSTER_COLUMNS,
    COLUMNS,
    announce,
    cluster_row,
    cluster_view,
    details,
    opener_of,
    page,
    planned,
    replay_command,
    row,
    view,
)
from penstock.cli.operator import Audit
from penstock.cli.output import note, plain, say, structured, table
from penstock.cli.replaying import (
    agreed,
    as_point,
    bar,
    counts,
    entries,
    finish,
    moment,
    processor_of,
    writer_of,
)
from penstock.cli.trace_text import print_trace, trace_view
from penstock.topology.model import Processor

if TYPE_CHECKING:
    from penstock.broker.contract import Broker
    from penstock.dead_letter.entries import DeadLetter, Filters
    from penstock.dead_letter.handled import Mark
    from penstock.dead_letter.ranges import Point
    from penstock.dead_letter.settling import Result
    from penstock.record import Position
    from penstock.runs.trace import Trace
    from penstock.topology.model import Topology

ROWS = 100  # of a table; programs get all


@click.group()
def dlt() -> None:
    """Dead letters: runs that were given up, and the ways out."""


@dlt.command()
@options.file
@options.output
@processor_option
@filters_options
@click.option("--clusters", "clustered", is_flag=True, help="By cause: how many, since when, one sample of each.")
@click.pass_context
def ls(ctx: click.Context, /, path: Path, form: str, name: str | None, *, clustered: bool, **asked: Any) -> None:
    """List the entries that wait. What was replayed or discarded is not shown; a table shows the first 100."""
    from penstock.dead_letter.entries import declared_types, list_entries

    door = doors.of(ctx)
    topology = door.topology(path)
    writer = writer_of(topology, name)
    group, replayable = writer.group_id, isinstance(writer, Processor)
    filters = filters_of(group, asked)
    if clustered:
        _list_clusters(door, topology, group, filters, form, replayable=replayable)
        return
    shown: list[DeadLetter] = []
    reasons: Counter[str] = Counter()

    async def listed(broker: Broker) -> None:
        declared = declared_types(topology)
        letters = list_entries(broker, group, filters=filters, declared=declared, replayable=replayable)
        async for letter in letters:
            reasons[letter.reason] += 1
            if form != "table" or len(shown) < ROWS:
                shown.append(letter)

    door.ask(topology, listed)
    if form != "table":
        structured([view(letter) for letter in shown], form)
        return
    if shown:
        table(COLUMNS, map(row, shown))
    if reasons.total() > len(shown):
        note(f"the first {ROWS}; narrow it, or take -o json for all")
    say(f"{entries(reasons.total())} of {group}" + (f": {counts(dict(reasons.most_common()))}" if reasons else ""))


def _list_clusters(
    door: doors.Doors, topology: Topology, group: str, filters: Filters, form: str, *, replayable: bool
) -> None:
    from penstock.dead_letter.clusters import clusters
    from penstock.dead_letter.entries import declared_types

    declared = declared_types(topology)
    found = door.ask(
        topology,
        lambda broker: clusters(broker, group, filters=filters, declared=declared, replayable=replayable),
    )
    if form != "table":
        structured([cluster_view(one) for one in found], form)
        return
    if found:
        table(CLUSTER_COLUMNS, map(cluster_row, found))
    count = sum(one.count for one in found)
    say(f"{entries(count)} of {group} in {len(found)} cluster{'' if len(found) == 1 else 's'}")


@dlt.command()
@click.argument("position")
@options.file
@options.output
@processor_option
@click.pass_context
def show(ctx: click.Context, position: str, path: Path, form: str, name: str | None) -> None:
    """Show one entry: data, headers, error, where it first stood, and the command that replays it."""
    from penstock.dead_letter.entries import declared_types, look
    from penstock.errors import PenstockError

    door = doors.of(ctx)
    topology = door.topology(path)
    writer = writer_of(topology, name)
    replayable = isinstance(writer, Processor)
    at = position_of(writer.group_id, position)

    async def looked(broker: Broker) -> tuple[DeadLetter, tuple[Mark, ...], Trace | str] | None:
        there = await look(broker, writer.group_id, at, declared_types(topology), replayable=replayable)
        return None if there is None else (*there, await _chain(broker, topology, at))

    found = door.ask(topology, looked)
    if found is None:
        raise PenstockError(f"there is no entry at {at}", "`penstock dlt ls` lists what waits; older ones were purged")
    letter, marks, chain = found
    opener = opener_of(topology, writer.group_id)
    command = replay_command(letter, writer.name, str(path)) if replayable else ""
    if form == "table":
        page(letter, marks, opener, command)
        say("")
        say(chain) if isinstance(chain, str) else print_trace(chain)
    else:
        traced = None if isinstance(chain, str) else trace_view(chain)
        structured({**details(letter, marks, opener, command), "trace": traced}, form)


async def _chain(broker: Broker, topology: Topology, at: Position) -> Trace | str:
    """The trace of an entry, or why there is none: the entry is shown all the same."""
    from penstock.errors import TopicMissing
    from penstock.runs.trace import NoTrace, trace

    try:
        return await trace(topology, broker, str(at))
    except (NoTrace, TopicMissing) as error:
        return f"no trace: {error.message}"


dlt.add_command(replay)
dlt.add_command(mend)


@dlt.command()
@options.file
@options.output
@processor_option
@filters_options
@options.dry_run
@options.yes
@click.pass_context
def discard(
    ctx: click.Context, /, path: Path, form: str, name: str | None, *, dry_run: bool, yes: bool, **asked: Any
) -> None:
    """Mark entries as dealt with: they stay in the topic and are not offered again."""
    from penstock.dead_letter import discard as discarding
    from penstock.dead_letter.entries import declared_types
    from penstock.dead_letter.selection import select

    door = doors.of(ctx)
    topology = door.topology(path)
    processor = processor_of(topology, name)
    group = processor.group_id
    filters = filters_of(group, asked)
    audit = Audit(door, topology, "discard", processor.name, asked)

    async def discarded(broker: Broker) -> Result | None:
        selection = await select(broker, group, filters=filters, declared=declared_types(topology))
        announce(f"discards {entries(selection.count)} of {group}", selection, form)
        if dry_run or not selection.count:
            planned(selection, form)
            return None
        if not agreed("Discard them?", yes=yes, form=form):
            raise click.Abort
        replay_id = str(uuid.uuid4())
        async with audit.turn(broker, selection.count, replay_id=replay_id):
            with bar("discarding", selection.count) as progress:
                return await discarding.discard(broker, selection, replay_id=replay_id, progress=progress)

    result = door.ask(topology, discarded)
    if result is not None:
        finish(ctx, result, "discarded", form)


@dlt.command()
@options.file
@options.output
@processor_option
@click.option(
    "--before",
    metavar="TIME|OFFSET",
    callback=as_point,
    required=True,
    help="Time, age (30d) or offset: older ones are removed.",
)
@options.dry_run
@options.yes
@click.pass_context
def purge(
    ctx: click.Context, /, path: Path, form: str, name: str | None, before: Point, *, dry_run: bool, yes: bool
) -> None:
    """Remove the oldest entries from the topic for good, also those that still wait."""
    from penstock.dead_letter import purge as purging

    door = doors.of(ctx)
    topology = door.topology(path)
    writer = writer_of(topology, name)
    group, replayable = writer.group_id, isinstance(writer, Processor)
    audit = Audit(door, topology, "purge", writer.name, {})

    async def purged(broker: Broker) -> None:
        plan = await purging.plan_purge(broker, group, before=before, replayable=replayable)
        tell = say if form == "table" else note
        tell(f"removes {entries(plan.removed)} of {group} for good; {plan.waiting} of them still wait")
        if plan.removed:
            tell(f"from {moment(plan.oldest)} to {moment(plan.newest)}")
        done = False
        if plan.removed and not dry_run:
            if not agreed("Remove them?", yes=yes, form=form):
                raise click.Abort
            cut = ", ".join(f"{at.partition}@{offset}" for at, offset in sorted(plan.before.items()))
            async with audit.turn(broker, plan.removed, before=cut):
                await purging.purge(broker, plan)
            done = True
            tell("done")
        if form != "table":
            structured({**plain(plan), "done": done}, form)

    door.ask(topology, purged)
