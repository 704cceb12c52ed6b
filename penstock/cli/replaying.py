"""What the replaying verbs share: which processor, which times, the question before the deed, the bar during it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from penstock.cli.output import console, note

if TYPE_CHECKING:
    from penstock.dead_letter.ranges import Point
    from penstock.dead_letter.settling import Result
    from penstock.topology.connector_options import SourceOptions
    from penstock.topology.model import Processor, Topology


def as_time(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An option's time (RFC 3339) or age (2h) as epoch milliseconds; a usage error where it is neither."""
    from penstock.clock import SystemClock
    from penstock.dead_letter.ranges import parse_time

    try:
        return None if value is None else parse_time(value, SystemClock().now())
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def as_point(ctx: click.Context, param: click.Parameter, value: str | None) -> Point | None:
    """An option's time, age, or offset (a whole number); a usage error where it is none of them."""
    from penstock.clock import SystemClock
    from penstock.dead_letter.ranges import parse_point

    try:
        return None if value is None else parse_point(value, SystemClock().now())
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def writer_of(topology: Topology, name: str | None) -> Processor | SourceOptions:
    """Whose dead letters are meant: a processor, or the source of this name. A usage error otherwise."""
    source = sources_with_letters(topology).get(name or "")
    return processor_of(topology, name) if source is None else source


def sources_with_letters(topology: Topology) -> dict[str, SourceOptions]:
    """The sources that have a dead letter topic, by name."""
    from penstock.topology.connector_options import SourceOptions

    found = {name: one for name, one in topology.connectors.items() if isinstance(one, SourceOptions)}
    return {name: one for name, one in found.items() if one.dead_letters}


def processor_of(topology: Topology, name: str | None) -> Processor:
    """The processor of this name, or the only one. A usage error otherwise."""
    if name in sources_with_letters(topology):
        raise click.UsageError(
            f"{name} is a source: what stands in its dead letter topic could not become an event, so there is nothing "
            f"to run again. `penstock dlt show -p {name}` shows the bytes and why; mend them where they came from, and "
            f"the source brings them; `penstock dlt purge -p {name}` removes them here"
        )
    known = topology.processors
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None:
        raise click.UsageError(f"which processor? --processor {' | '.join(known)}")
    if name not in known:
        there = ", ".join((*known, *sources_with_letters(topology)))
        raise click.UsageError(f"there is no processor {name!r}; there are {there}")
    return known[name]


def at_terminal() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty()


def agreed(question: str, *, yes: bool, form: str) -> bool:
    """Ask, where somebody can answer; a program has to say --yes (exit code 2)."""
    if yes:
        return True
    if form != "table" or not at_terminal():
        raise click.UsageError("nobody can be asked here: say --yes, or look first with --dry-run")
    return click.confirm(question)


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr; yields what is told how many are done. Nothing is drawn where nobody looks."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(err=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def moment(millis: int | None) -> str | None:
    """Epoch milliseconds as RFC 3339, UTC, to the second."""
    if millis is None:
        return None
    return datetime.fromtimestamp(millis / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def counts(counted: Mapping[str, int]) -> str:
    """Counts as a line: "3 exhausted, 1 rejected"."""
    return ", ".join(f"{count} {name or 'unnamed'}" for name, count in counted.items())


def entries(count: int) -> str:
    """The number with its noun."""
    return f"{count} dead letter" if count == 1 else f"{count} dead letters"


def report(result: Result, done: str, again: str) -> list[str]:
    """What there is to say after a command, one line each; `done` is what happened to what was written."""
    tally = result.tally
    lines = [f"{tally.written} {done} (replay id {result.replay_id})"]
    if tally.passed_over:
        lines.append(f"{tally.passed_over} passed over: settled by another command in the meantime")
    if result.contested:
        lines.append(
            f"{result.contested} were written by another command at the same moment too, with the same run ids"
        )
    if tally.refusals:
        lines.append(f"{tally.refusals} refused by the broker for good:")
        lines.extend(f"  {line}" for line in tally.refused)
    if tally.interrupted:
        lines.append(f"stopped early: {tally.interrupted}")
        lines.append(f"{again} goes on where this one stopped")
    return lines


def finish(
    ctx: click.Context, result: Result, done: str, form: str, *, again: str = "the same command, given again,"
) -> None:
    """Print the result and leave: exit code 1 where something was left undone."""
    from penstock.cli.output import say, structured

    if form != "table":
        structured(result, form)
    for line in report(result, done, again):
        note(line) if form != "table" else say(line)
    ctx.exit(1 if result.tally.interrupted or result.tally.refusals else 0)
