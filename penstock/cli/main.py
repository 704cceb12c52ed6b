"""The entry point: the list of verbs, loaded when called, and how errors leave the process.

Exit codes: 0 fine, 1 failed, 2 usage or configuration.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import click

from penstock.errors import HandlerError, PenstockError, TopologyError

# verb -> (module in penstock.cli, attribute, what it does in one line)
VERBS: Final[dict[str, tuple[str, str, str]]] = {
    "init": ("init", "init", "Make a new app in a new folder."),
    "dev": ("processes", "dev", "Start Kafka, create the topics and run everything, for development."),
    "lint": ("topology", "lint", "Check the topology file; needs no broker."),
    "plan": ("topology", "plan", "Show what apply would change in the cluster."),
    "apply": ("topology", "apply", "Create and change topics as the topology says; deletes nothing."),
    "schemas": ("schemas", "schemas", "Schemas of event types: check a change, record it, list them."),
    "run": ("processes", "run", "Run one worker of one processor."),
    "up": ("processes", "up", "Run the workers of all processors under one supervisor."),
    "ps": ("groups", "ps", "Workers on this host, and the members of each group."),
    "send": ("send", "send", "Send events to a topic."),
    "tap": ("events", "tap", "Watch the events of a topic, live."),
    "runs": ("runs", "runs", "What ran: attempts, how long they took, why they failed, what they cost."),
    "trace": ("trace", "trace_", "Follow one event, run or position up and down through everything it led to."),
    "top": ("top", "top", "Everything at a glance, live: running, backlog in time, failures, slowest runs."),
    "dlt": ("dead_letters", "dlt", "List, show, replay and discard dead letters."),
    "replay": ("replay", "replay", "Run events of a topic again, from the log."),
    "pause": ("control", "pause", "Have all workers of a processor take nothing, until resumed."),
    "resume": ("control", "resume", "Have them take records again."),
    "set": ("control", "set_", "Change the concurrency of running workers."),
    "cancel": ("control", "cancel", "Give a run up, wherever it is."),
    "audit": ("control", "audit", "Who told the workers what, and when."),
    "groups": ("groups", "groups", "Consumer groups: state, lag, true backlog, oldest event."),
    "topics": ("groups", "topics", "Declared and derived topics, and whether they are there."),
    "outbox": ("outbox", "outbox", "The SQL of a transactional outbox in PostgreSQL."),
    "memory": ("memory", "memory", "What agents remember: show, export, forget."),
    "kafka": ("kafka", "kafka", "A real Kafka on this machine, for development."),
    "console": ("console", "console", "Look at all of it, and act, in a browser."),
    "doctor": ("doctor", "doctor", "Find out what is wrong, and what to do about it."),
    "export": ("exports", "export", "Write what other tools read: Kubernetes, Compose, AsyncAPI, alerts ..."),
    "version": ("version", "version", "Print the versions of penstock and of what it stands on."),
}


class Failure(click.ClickException):
    """A PenstockError on its way out: message and hint on stderr, no traceback."""

    def __init__(self, error: PenstockError) -> None:
        super().__init__(str(error))
        self.error = error

    def show(self, file: Any = None) -> None:
        """Problems of a file one a line, as compilers do; everything else as message and hint."""
        if isinstance(self.error, TopologyError):
            for problem in self.error.problems:
                click.echo(str(problem), err=True)
            return
        click.echo(f"{click.style('error:', fg='red')} {self.error.message}", err=True)
        if self.error.hint:
            click.echo(f"  {self.error.hint}", err=True)


class Misconfigured(Failure):
    """As Failure, where the topology or a handler is to blame."""

    exit_code = 2


class Verbs(click.Group):
    """The group of all verbs. Help reads the list above, so that it imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order in which one meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and take the verb from it."""
        if cmd_name not in VERBS:
            return None
        module, attribute, _ = VERBS[cmd_name]
        found = getattr(importlib.import_module(f"penstock.cli.{module}"), attribute)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, _, line) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; an unknown one gets a suggestion."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; what penstock raises on purpose is a message, anything else a defect with its traceback."""
        try:
            return super().invoke(ctx)
        except (TopologyError, HandlerError) as error:
            raise Misconfigured(error) from error
        except PenstockError as error:
            raise Failure(error) from error


def _print_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 — click calls it so
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(version("penstock"))
    ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Version.")
def cli() -> None:
    """The event-driven runtime under AI agents, on Apache Kafka."""


def main() -> None:
    """What the `penstock` script calls."""
    cli(prog_name="penstock")
