"""All of a topology at one moment: its groups, what operators said, and how fast it goes. What `penstock top` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.broker.contract import Broker
from penstock.control.commands import Command, ControlState
from penstock.control.giving import read_control
from penstock.dead_letter.waiting import LetterCounts
from penstock.deploy.scrape import Gauges
from penstock.deploy.status import GroupStatus, groups
from penstock.errors import TopicMissing
from penstock.runs.decoding import RanAttempt
from penstock.runs.recent import Rate, Recent
from penstock.topology.model import Topology


@dataclass(frozen=True, slots=True)
class ProcessorView:
    """One processor now.

    `running` and `saturation` are measured where every member of the group serves metrics on this host (`measured`),
    else estimated from what ended lately. `backlog_seconds` is the true backlog over the pace of the last minutes;
    None where nothing ended. `breakers` are those that are not closed, as workers of this host say.
    """

    status: GroupStatus
    rate: Rate | None
    running: float | None
    saturation: float | None
    measured: bool
    backlog_seconds: float | None
    paused: Command | None
    concurrency: int
    breakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """All processors, in the topology's order, and the slowest attempts of the last minutes."""

    processors: tuple[ProcessorView, ...]
    slowest: tuple[RanAttempt, ...]


async def overview(
    topology: Topology,
    broker: Broker,
    recent: Recent,
    now: float,
    gauges: Mapping[str, Gauges],
    letters: LetterCounts | None = None,
) -> Overview:
    """Everything at `now` (epoch seconds); `gauges` are what workers of this host say, `letters` as in `groups`.

    Raises BrokerUnavailable.
    """
    try:
        control = await read_control(topology, broker)
    except TopicMissing:
        control = ControlState()
    rates = recent.rates(now)
    found = [
        _view(topology, status, control, rates.get(status.processor), gauges.get(status.processor))
        for status in await groups(topology, broker, letters)
        if status.processor in topology.processors  # a source has a group too, and neither backlog nor concurrency
    ]
    return Overview(tuple(found), tuple(recent.slowest(now)))


def _view(
    topology: Topology, status: GroupStatus, control: ControlState, rate: Rate | None, gauges: Gauges | None
) -> ProcessorView:
    name = status.processor
    told = control.concurrency(name)
    declared = topology.processors[name].concurrency
    concurrency = declared if told is None or told.value is None else told.value
    measured = gauges is not None and gauges.workers >= len(status.members) > 0
    running = gauges.running if gauges is not None and measured else rate.running if rate is not None else None
    room = concurrency * max(len(status.members), 1)
    pace = rate.finished if rate is not None else 0.0
    seconds = 0.0 if not status.backlog else status.backlog / pace if pace else None
    return ProcessorView(
        status=status,
        rate=rate,
        running=running,
        saturation=None if running is None else running / room,
        measured=measured,
        backlog_seconds=seconds,
        paused=control.paused(name),
        concurrency=concurrency,
        breakers=gauges.breakers if gauges is not None else (),
    )
