"""The verb top: everything at a glance, live in the terminal."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.output import console, note, plain, structured
from penstock.cli.runs_text import money, span
from penstock.durations import age

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from penstock.broker.contract import Broker
    from penstock.deploy.overview import Overview, ProcessorView
    from penstock.runs.recent import Recent
    from penstock.topology.model import Topology

    Look = Callable[[], Awaitable[Overview]]

HEADS = (
    "PROCESSOR",
    "WORKERS",
    "RUNNING",
    "SATURATION",
    "BACKLOG",
    "IN TIME",
    "ENDED/s",
    "MEAN",
    "FAILED",
    "RETRYING",
    "DEAD",
    "COST/h",
    "",
)
_LEFT_OUT = {"WORKERS", "MEAN", "COST/h"}  # where the window is narrow
_NARROW = 110  # columns
_AGAIN = 2.0  # seconds


@click.command()
@options.file
@options.output
@click.option("--once", is_flag=True, help="Print it once; so it is in a pipe.")
@click.option("--every", type=click.FloatRange(min=0.5), default=2.0, show_default=True, help="Seconds between looks.")
@click.pass_context
def top(ctx: click.Context, path: Path, form: str, every: float, *, once: bool) -> None:
    """Processors live: running, saturation, true backlog (in time too), failures, dead letters, breakers, slow runs.

    RUNNING with a ~ is estimated from what ended lately; it is measured where all workers are on this host. DEAD
    counts the dead letters that still wait: neither replayed nor discarded. While Kafka is away the last look stays,
    and it is asked again.
    """
    door = doors.of(ctx)
    topology = door.topology(path)
    live = form == "table" and not once and sys.stdout.isatty()

    async def looked(broker: Broker) -> None:
        if live:
            note("reading what ran in the last minutes ...")
        async with _seeing(topology, broker) as look:
            if not live:
                _print(await look(), form)
            else:
                await _live(topology.name, look, every)

    with suppress(KeyboardInterrupt):
        while not _answered(door, topology, looked, live=live):
            time.sleep(every)


def _answered(
    door: doors.Doors, topology: Topology, looked: Callable[[Broker], Awaitable[None]], *, live: bool
) -> bool:
    """Look until it is over; False where Kafka was not there to begin with, and somebody sits and waits for it."""
    from penstock.errors import BrokerUnavailable

    try:
        door.ask(topology, looked)
    except BrokerUnavailable as error:
        if not live:
            raise
        note(f"{time.strftime('%H:%M:%S')} {error.message}; it is asked again until Ctrl-C")
        return False
    return True


@asynccontextmanager
async def _seeing(topology: Topology, broker: Broker) -> AsyncIterator[Look]:
    """A function that looks: at the groups as they are then, and at what ended in the last minutes until then."""
    from penstock.dead_letter.waiting import LetterCounts
    from penstock.deploy import local_workers
    from penstock.deploy.overview import overview
    from penstock.deploy.scrape import scrape

    recent, letters = await _recent(topology, broker), LetterCounts(broker)

    async def look() -> Overview:
        gauges = await asyncio.to_thread(scrape, local_workers.running(topology))
        return await overview(topology, broker, recent, time.time(), gauges, letters)

    tail = asyncio.create_task(_follow(topology, broker, recent))
    try:
        yield look
    finally:
        tail.cancel()
        await asyncio.gather(tail, return_exceptions=True)


async def _recent(topology: Topology, broker: Broker) -> Recent:
    """What ran lately."""
    from penstock.errors import TopicMissing
    from penstock.runs.reading import RunFilters, list_runs
    from penstock.runs.recent import WINDOW, Recent

    recent = Recent()
    with suppress(TopicMissing):  # nothing is on record: the figures of the groups are shown all the same
        since = round((time.time() - 2 * WINDOW) * 1000)
        before = await list_runs(topology, broker, RunFilters(since=since, limit=50_000))
        recent.take(sorted(before.attempts, key=lambda one: one.ended))
    return recent


async def _follow(topology: Topology, broker: Broker, recent: Recent) -> None:
    """Hear what ends from now on; a Kafka that went away is heard again when it is back."""
    from penstock.errors import BrokerError, TopicMissing
    from penstock.runs.reading import tail_runs

    while True:
        try:
            async for _, attempts in tail_runs(topology, broker):
                recent.take(attempts)
        except TopicMissing:
            return
        except BrokerError:  # the next look says it
            await asyncio.sleep(_AGAIN)


async def _live(name: str, look: Look, every: float) -> None:
    from rich.live import Live

    from penstock.errors import BrokerError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its lines would stand in the table; a look says the same
    found = await look()
    with Live(_screen(name, found), console=console(), screen=True, auto_refresh=False) as screen:
        while True:
            await asyncio.sleep(every)
            problem = ""
            try:
                found = await look()
            except BrokerError as error:  # it may come back; until then the last look is shown, and called old
                problem = f"{error.message}; what is shown is old"
            screen.update(_screen(name, found, problem), refresh=True)


def _print(found: Overview, form: str) -> None:
    if form == "table":
        console().print(_body(found))
        return
    structured([{**plain(one), "backlog": one.status.backlog} for one in found.processors], form)


def _screen(name: str, found: Overview, problem: str = "") -> Group:
    from rich.console import Group
    from rich.text import Text

    head = Text(f"penstock top  {name}  {time.strftime('%H:%M:%S')}   ctrl-c leaves", style="bold")
    return Group(head, Text(problem, style="red"), _body(found))


def _body(found: Overview) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    narrow = console().width < _NARROW
    shown = [at for at, head in enumerate(HEADS) if not (narrow and head in _LEFT_OUT)]
    for at in shown:
        table.add_column(HEADS[at], justify="left" if HEADS[at] in ("PROCESSOR", "") else "right", no_wrap=True)
    for one in found.processors:
        row = _row(one)
        table.add_row(*(row[at] for at in shown))
    slowest = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("SLOWEST LATELY", "PROCESSOR", "OUTCOME", "KEY", "RUN"):
        slowest.add_column(head, justify="right" if head == "SLOWEST LATELY" else "left", no_wrap=True)
    for run in found.slowest:
        slowest.add_row(span(run.duration), run.processor, run.outcome, run.key or "-", run.run_id)
    return Group(table, Text(""), slowest) if found.slowest else Group(table)


def _row(one: ProcessorView) -> list[Any]:
    from rich.text import Text

    rate, status = one.rate, one.status
    share = None
    if rate is not None:
        bad = sum(count for outcome, count in rate.outcomes.items() if outcome in ("retried", "dead_lettered"))
        share = bad / max(sum(rate.outcomes.values()), 1)
    near = "" if one.measured else "~"
    return [
        Text(status.processor, "bold"),
        str(len(status.members)),
        "-" if one.running is None else f"{near}{one.running:.0f}",
        _warned("-" if one.saturation is None else f"{near}{one.saturation:.0%}", (one.saturation or 0) > 0.95),
        f"{status.backlog}",
        _warned(_in_time(one), bool(status.backlog) and (one.backlog_seconds is None or one.backlog_seconds > 300)),
        "-" if rate is None else f"{rate.per_second:.1f}",
        "-" if rate is None else span(rate.mean),
        _warned("-" if share is None else f"{share:.0%}", (share or 0) > 0.1),
        f"{status.waiting}",
        _warned(f"{status.dead_letters}", status.dead_letters > 0),
        money(rate.cost) or "-" if rate is not None else "-",
        _state(one),
    ]


def _in_time(one: ProcessorView) -> str:
    if not one.status.backlog:
        return "0s"
    return "never" if one.backlog_seconds is None else span(one.backlog_seconds)


def _state(one: ProcessorView) -> Text:
    from rich.text import Text

    if one.paused is not None:
        since = age(time.time() - one.paused.at / 1000)
        return Text(f"paused by {one.paused.by}, {since} ago", "yellow")
    if one.breakers:
        return Text(f"breaker {', '.join(one.breakers)}", "red")
    return Text("no worker" if not one.status.members else "", "red")


def _warned(text: str, bad: bool) -> Text:  # noqa: FBT001 - red or not
    from rich.text import Text

    return Text(text, "red" if bad else "")
