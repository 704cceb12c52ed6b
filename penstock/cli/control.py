"""The verbs that tell running workers something: pause, resume, set, cancel; and audit, who told them what."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from penstock.cli import doors, options
from penstock.cli.operator import OPERATOR, operator
from penstock.cli.output import note, say, structured, table
from penstock.cli.replaying import as_time, moment

if TYPE_CHECKING:
    from penstock.control.commands import Command, Lever
    from penstock.control.giving import Given

Verb = TypeVar("Verb", bound=Callable[..., Any])


def _told(verb: Verb) -> Verb:
    """The options of every command: the file, the format, who and why."""
    for option in (
        click.option("--reason", default="", help="Why; it is kept in the audit."),
        click.option("--by", help=f"Who says so; else {OPERATOR}, else user@host."),
        options.output,
        options.file,
    ):
        verb = option(verb)
    return verb


@click.command()
@click.argument("processor")
@_told
@click.pass_context
def pause(ctx: click.Context, /, processor: str, **told: Any) -> None:
    """Have all workers of PROCESSOR take nothing, retries and replays included; what runs goes on to its end.

    It holds over restarts, until `penstock resume`. The backlog stays in the topics.
    """
    _give(ctx, "pause", processor, None, f"{processor} is paused: its workers take nothing from now on", told)


@click.command()
@click.argument("processor")
@_told
@click.pass_context
def resume(ctx: click.Context, /, processor: str, **told: Any) -> None:
    """Have the workers of PROCESSOR take records again."""
    _give(ctx, "resume", processor, None, f"{processor} is resumed", told)


@click.command("set")
@click.argument("processor")
@click.argument("setting", metavar="concurrency=N|default")
@_told
@click.pass_context
def set_(ctx: click.Context, /, processor: str, setting: str, **told: Any) -> None:
    """Change how many runs each worker of PROCESSOR has at once; `default` returns to the topology's own.

    It holds over restarts and over changes of the topology file.
    """
    name, _, text = setting.partition("=")
    if name != "concurrency" or not (text == "default" or (text.isascii() and text.isdigit())):
        raise click.UsageError(f"{setting!r} cannot be set; write concurrency=50, or concurrency=default")
    value = None if text == "default" else int(text)
    if value is not None and not 1 <= value <= 100_000:
        raise click.UsageError("concurrency is from 1 to 100000; to run nothing, `penstock pause`")
    _give(ctx, "set", processor, value, f"{processor}: concurrency {text} for each worker", told)


@click.command()
@click.argument("run_id")
@_told
@click.pass_context
def cancel(ctx: click.Context, /, run_id: str, **told: Any) -> None:
    """Give a run up: it goes to the dead letter topic, reason rejected, from where it may be replayed.

    An attempt under way is cancelled where it waits (a plain `def` runs to its end); one that waits for a retry, when
    its time comes.
    """
    try:
        uuid.UUID(run_id)
    except ValueError:
        raise click.UsageError(
            f"{run_id!r} is no run id; `penstock runs ls` and `penstock trace ID` print them"
        ) from None
    _give(ctx, "cancel", run_id, None, f"run {run_id} is given up", told)


def _give(ctx: click.Context, action: Lever, target: str, value: int | None, done: str, told: dict[str, Any]) -> None:
    from penstock.clock import SystemClock
    from penstock.control.commands import Command
    from penstock.control.giving import give

    door = doors.of(ctx)
    topology = door.topology(told["path"])
    by = told["by"] or operator(door)
    at = round(SystemClock().now() * 1000)
    command = Command(str(uuid.uuid4()), action, target, by, at, told["reason"], value)
    given = door.ask(topology, lambda broker: give(topology, broker, command))
    if told["form"] != "table":
        structured({**_line(given.command), "already": given.before is not None}, told["form"])
    say_so = say if told["form"] == "table" else note
    say_so(_already(given) or done)


def _already(given: Given) -> str:
    """What to say where nothing had to be done."""
    before = given.before
    if before is None:
        return ""
    if before is given.command:
        return f"nothing to do: {before.target} is as the topology says"
    return f"nothing to do: {before.by} did that at {moment(before.at)}"


@click.command()
@options.file
@options.output
@click.option("--since", metavar="TIME", callback=as_time, help="From this time (RFC 3339) or age (2h) on.")
@click.option("--target", help="Only of this processor or run.")
@click.pass_context
def audit(ctx: click.Context, path: Path, form: str, since: int | None, target: str | None) -> None:
    """Who told the workers what, or replayed, discarded or purged what, and when, oldest first; and what holds now."""
    from penstock.control.giving import read_control

    door = doors.of(ctx)
    topology = door.topology(path)
    state = door.ask(topology, lambda broker: read_control(topology, broker))
    lines = sorted(state.audit, key=lambda one: one.at)
    shown = [one for one in lines if one.at >= (since or 0) and target in {None, one.target}]
    if form != "table":
        structured([_line(one) for one in shown], form)
        return
    table(("TIME", "BY", "ACTION", "TARGET", "VALUE", "WHAT AND WHY"), map(_row, shown))
    for name in topology.processors:
        if paused := state.paused(name):
            say(f"{name} is paused by {paused.by} since {moment(paused.at)}", style="warn")
        if limit := state.concurrency(name):
            say(f"{name} runs {limit.value} at once in each worker, by {limit.by} since {moment(limit.at)}")


def _row(one: Command) -> tuple[Any, ...]:
    return (
        moment(one.at),
        one.by,
        one.action,
        one.target,
        one.value,
        "; ".join(filter(None, (one.detail, one.reason))) or None,
    )


def _line(one: Command) -> dict[str, Any]:
    return {
        "id": one.id,
        "time": moment(one.at),
        "by": one.by,
        "action": one.action,
        "target": one.target,
        "value": one.value,
        "reason": one.reason,
        "detail": one.detail,
    }
