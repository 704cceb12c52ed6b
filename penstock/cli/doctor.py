"""`penstock doctor`: examine everything that has to be right, and say what to do about what is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from penstock.cli import doors, options
from penstock.cli.output import say, structured

if TYPE_CHECKING:
    from penstock.deploy.doctor import Check
    from penstock.topology.model import Topology

_MARKS: Final = {"ok": ("✓", "good"), "warning": ("!", "warn"), "failed": ("✗", "bad"), "skipped": ("·", "dim")}


@click.command()
@options.file
@options.output
@click.option("--imports", is_flag=True, help="Import every handler too.")
@click.pass_context
def doctor(ctx: click.Context, path: Path, form: str, *, imports: bool) -> None:
    """Examine versions, topology, broker, topics, groups, clock and handlers; exit 1 if something failed."""
    found = _examine(doors.of(ctx), path, imports=imports)
    failed = sum(check.state == "failed" for check in found)
    if form != "table":
        structured({"ok": not failed, "checks": found}, form)
    else:
        for check in found:
            _show(check)
        say(f"{failed} failed" if failed else "nothing is wrong", style="bad" if failed else "good")
    ctx.exit(1 if failed else 0)


def _examine(door: doors.Doors, path: Path, *, imports: bool) -> list[Check]:
    from penstock.deploy import doctor as examination
    from penstock.errors import BrokerError, TopologyError

    found = [examination.check_versions()]
    try:
        topology = door.topology(path)
    except TopologyError as error:
        problems = "; ".join(str(problem) for problem in error.problems)
        return [*found, examination.Check("topology", "failed", problems, "`penstock lint` shows each with its place")]
    except click.UsageError as error:
        return [*found, examination.Check("topology", "failed", error.message, "")]
    found.append(examination.Check("topology", "ok", f"{topology.path}: {topology.name}"))
    if imports:
        found += examination.check_imports(topology)
    try:
        found += _ask(door, topology)
    except BrokerError as error:
        found.append(examination.Check("broker", "failed", error.message, error.hint))
        rest = ("topics", "groups", "clock")
        found += [examination.Check(name, "skipped", "needs the broker") for name in rest]
    return found


def _ask(door: doors.Doors, topology: Topology) -> tuple[Check, ...]:
    from penstock.deploy.doctor import check_broker

    return door.ask(topology, lambda broker: check_broker(topology, broker))


def _show(check: Check) -> None:
    mark, style = _MARKS[check.state]
    say(f"{mark} {check.name}: {check.found}", style=style)
    if check.todo and check.state != "ok":
        say(f"    → {check.todo}")
