"""The verbs about the topology file: lint, plan, apply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli import doors, options
from penstock.cli.output import note, say, structured

if TYPE_CHECKING:
    from penstock.deploy.apply import Step
    from penstock.deploy.plan import Plan
    from penstock.errors import Problem
    from penstock.topology.model import Topology


@click.command()
@options.file
@options.output
@click.option("--imports", is_flag=True, help="Import every handler and own connector too.")
@click.pass_context
def lint(ctx: click.Context, path: Path, form: str, *, imports: bool) -> None:
    """Check the topology file: every problem at once, each with its place. Needs no broker."""
    from penstock.errors import TopologyError

    try:
        topology = doors.of(ctx).topology(path)
    except TopologyError as error:
        if form != "table":
            structured({"ok": False, "problems": error.problems}, form)
            ctx.exit(2)
        for problem in error.problems:
            say(str(problem))
        count = len(error.problems)
        note(f"{count} problem{'s' if count != 1 else ''}")
        ctx.exit(2)
    failures = _imports(doors.of(ctx), topology) if imports else []
    if form != "table":
        structured({"ok": not failures, "problems": failures}, form)
    else:
        for problem in failures:
            say(str(problem))
        if not failures:
            say(f"ok: {topology.name}, {_count(topology)}", style="good")
    ctx.exit(2 if failures else 0)


def _imports(door: doors.Doors, topology: Topology) -> list[Problem]:
    """The handlers and own connectors that cannot be imported, each where the file names it."""
    from penstock.deploy.doctor import import_failures
    from penstock.engine.connector import load_options
    from penstock.errors import Problem
    from penstock.topology.reader import inspect

    reading = inspect(topology.path.read_text(encoding="utf-8"), topology.path, door.environ, load_options)
    found = list(reading.problems)  # of the app's own connectors: all else was read without one before
    for processor, error in import_failures(topology).items():
        place = topology.processors[processor].place
        mark = reading.marks.value(place, processor, "handler" if place == "processors" else "type")
        problem = Problem(str(topology.path), mark.line, mark.column, error.message, error.hint)
        found += [] if any((one.line, one.column) == (mark.line, mark.column) for one in found) else [problem]
    return found


def _count(topology: Topology) -> str:
    parts = {"topic": topology.topics, "processor": topology.processors, "connector": topology.connectors}
    return ", ".join(f"{len(found)} {word}{'s' if len(found) != 1 else ''}" for word, found in parts.items() if found)


@click.command()
@options.file
@options.output
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan for `apply --plan`.")
@click.option("--exit-code", is_flag=True, help="Exit with 2 when there are changes.")
@click.pass_context
def plan(ctx: click.Context, path: Path, form: str, out: Path | None, *, exit_code: bool) -> None:
    """Show what apply would change: topics, partitions, settings; and what it never does."""
    from penstock.cli import plan_text
    from penstock.deploy import plan_file

    found = _plan(doors.of(ctx), path)
    if out:
        plan_file.write(found, out)
    if form == "table":
        plan_text.show(found)
    else:
        structured(plan_file.to_json(found), form)
    if out:
        note(f"saved to {out}; `penstock apply --plan {out}` does just this")
    if found.problems:
        ctx.exit(1)
    ctx.exit(2 if exit_code and found.has_changes else 0)


def _plan(door: doors.Doors, path: Path) -> Plan:
    from penstock.deploy.observe import make_plan

    topology = door.topology(path)
    return door.ask(topology, lambda broker: make_plan(topology, broker.admin()))


@click.command()
@options.file
@options.output
@options.yes
@options.dry_run
@click.option(
    "--plan",
    "saved",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Do just what this saved plan says; refuse when the cluster moved since.",
)
@click.pass_context
def apply(ctx: click.Context, path: Path, form: str, saved: Path | None, *, yes: bool, dry_run: bool) -> None:
    """Create topics, add partitions and change settings as planned. Deletes nothing; can be run again."""
    from penstock.cli import plan_text
    from penstock.deploy import plan_file

    door = doors.of(ctx)
    found = plan_file.read(saved) if saved else _plan(door, path)
    if form == "table":
        plan_text.show(found)
    if dry_run:
        if form != "table":
            structured(plan_file.to_json(found), form)
        ctx.exit(1 if found.problems else 0)
    if found.has_changes and not (yes or saved or _agreed(form)):
        raise click.Abort
    steps = _carry_out(door, path, found, form)
    if form != "table":
        structured({"steps": steps, "problems": found.problems, "changed": found.has_changes}, form)
    ctx.exit(1 if found.problems or any(step.result == "failed" for step in steps) else 0)


def _agreed(form: str) -> bool:
    """Ask, where somebody can answer; a program has to say --yes."""
    import sys

    if form != "table" or not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: say --yes, or apply a saved plan with --plan FILE")
    return click.confirm("Apply this?")


def _carry_out(door: doors.Doors, path: Path, found: Plan, form: str) -> tuple[Step, ...]:
    from penstock.broker.contract import Broker
    from penstock.cli import plan_text
    from penstock.deploy import apply as applying

    def report(step: Step) -> None:
        if form == "table":
            plan_text.show_step(step)

    topology = door.topology(path)

    async def carried(broker: Broker) -> tuple[Step, ...]:
        await applying.check_current(found, broker.admin())
        return await applying.apply(found, broker.admin(), report, topology.schema_registry)

    return door.ask(topology, carried)
