"""The verbs that look: ps, groups, topics."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.output import say, structured, table
from penstock.cli.watching import watch
from penstock.durations import age

if TYPE_CHECKING:
    from penstock.deploy.local_workers import LocalWorker
    from penstock.deploy.status import GroupStatus, TopicStatus


@click.command()
@options.file
@options.output
@click.argument("processors", nargs=-1)
@watch
@click.pass_context
def groups(ctx: click.Context, path: Path, form: str, processors: tuple[str, ...]) -> None:
    """Each consumer group: state, members, lag, true backlog, breakers, and the oldest unfinished event.

    DEAD counts the dead letters that still wait: neither replayed nor discarded.
    BREAKERS are what the workers on this host say of themselves; `-` where none of them is here, or none answers.
    """
    from penstock.deploy import local_workers
    from penstock.deploy.scrape import scrape

    door = doors.of(ctx)
    found = _groups(door, path, processors)
    breakers = {name: here.breakers for name, here in scrape(local_workers.running(door.topology(path))).items()}
    if form != "table":
        structured([{**_group_values(one), "breakers": breakers.get(one.processor)} for one in found], form)
        return
    now = time.time()
    rows = [
        (
            one.processor,
            one.state,
            one.protocol or None,
            len(one.members),
            one.lag,
            one.backlog,
            one.waiting,
            one.dead_letters,
            ", ".join(breakers[one.processor]) or "closed" if one.processor in breakers else None,
            f"{age(now - one.oldest.timestamp / 1000)} {one.oldest.position}" if one.oldest else None,
        )
        for one in found
    ]
    heads = ("PROCESSOR", "STATE", "PROTOCOL", "MEMBERS", "LAG", "BACKLOG", "RETRYING", "DEAD", "BREAKERS", "OLDEST")
    table(heads, rows)


def _groups(door: doors.Doors, path: Path, processors: tuple[str, ...]) -> list[GroupStatus]:
    from penstock.deploy import status

    topology = door.topology(path)
    known = [*topology.processors, *(one.name for one in status.exclusive_sources(topology))]
    unknown = [name for name in processors if name not in known]
    if unknown:
        raise click.UsageError(f"no such processor or source: {', '.join(unknown)} (there are {', '.join(known)})")
    found = door.ask(topology, lambda broker: status.groups(topology, broker))
    return [one for one in found if not processors or one.processor in processors]


def _group_values(one: GroupStatus) -> dict[str, Any]:
    """The group as JSON, figures that are computed included."""
    from penstock.cli.output import plain

    values: dict[str, Any] = plain(one)
    values["backlog"] = one.backlog
    if one.oldest:
        values["oldest"]["age_seconds"] = round(max(time.time() - one.oldest.timestamp / 1000, 0), 3)
    return values


@click.command()
@options.file
@options.output
@click.option("--missing", is_flag=True, help="Only those that do not exist; exit 1 if there are any.")
@watch
@click.pass_context
def topics(ctx: click.Context, path: Path, form: str, *, missing: bool) -> None:
    """Declared and derived topics: who wants them, partitions, records; and whether they are there."""
    from penstock.deploy import status

    door = doors.of(ctx)
    topology = door.topology(path)
    found = door.ask(topology, lambda broker: status.topics(topology, broker))
    shown = [one for one in found if one.missing or not missing]
    if form != "table":
        structured([_topic_values(one) for one in shown], form)
    else:
        rows = [
            (
                one.topic,
                one.owner or None,
                one.partitions,
                one.replication_factor,
                one.records,
                "MISSING" if one.missing else "",
            )
            for one in shown
        ]
        table(("TOPIC", "OWNER", "PARTITIONS", "REPLICAS", "RECORDS", ""), rows)
        if any(one.missing for one in shown):
            say("make them with `penstock apply`", style="dim")
    ctx.exit(1 if missing and shown else 0)


def _topic_values(one: TopicStatus) -> dict[str, Any]:
    from penstock.cli.output import plain

    return {**plain(one), "missing": one.missing}


@click.command()
@options.file
@options.output
@watch
@click.pass_context
def ps(ctx: click.Context, path: Path, form: str) -> None:
    """Workers of this topology on this host, and the members of each group anywhere."""
    from penstock.deploy import local_workers, status

    door = doors.of(ctx)
    topology = door.topology(path)
    here = local_workers.running(topology)
    found = door.ask(topology, lambda broker: status.members(topology, broker))
    if form != "table":
        structured({"workers": here, "groups": found}, form)
        return
    _show_workers(here)
    say("")
    rows = [
        (one.processor, one.state, member.client_id, member.host, len(member.partitions))
        for one in found
        for member in one.members
    ]
    idle = [(one.processor, one.state, None, None, None) for one in found if not one.members]
    table(("PROCESSOR", "STATE", "MEMBER", "HOST", "PARTITIONS"), [*rows, *idle])


def _show_workers(here: tuple[LocalWorker, ...]) -> None:
    if not here:
        say("no worker of this topology runs on this host", style="dim")
        return
    now = time.time()
    rows = [
        (one.pid, one.processor, age(now - one.started), f"http://127.0.0.1:{one.port}" if one.port else None)
        for one in here
    ]
    table(("PID", "PROCESSOR", "UP", "METRICS"), rows)
