"""The cron source: every tick once, its id from name and tick, missed ticks by policy, summer time as people expect."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.connectors.cron import Cron
from penstock.testing.connector_kit import SourceCase, trial
from penstock.testing.virtual_time import START
from penstock.topology.reader import read_text

MINUTES = """
name: shop
topics: { reports: { partitions: 1, type: report.due } }
connectors:
  minutely: { type: cron, schedule: "* * * * *", topic: reports, missed: all }
"""


def options(**changes):
    import dataclasses

    return dataclasses.replace(read_text(MINUTES, Path("t.yaml"), {}).connectors["minutely"], **changes)


class Now:
    """An outlet that stands at a moment, for the question which ticks are due."""

    def __init__(self, now):
        self.now = now


def due(last, now, **changes):
    found = Cron(options(**changes))._due(datetime.fromisoformat(last), datetime.fromisoformat(now))
    return [tick.strftime("%H:%M") for tick in found]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("all", ["08:01", "08:02", "08:03", "08:04", "08:05"]),
        ("once", ["08:03", "08:04", "08:05"]),
        ("skip", ["08:04", "08:05"]),
    ],
)
def test_missed_ticks_go_by_the_policy(missed, expected):
    assert due("2026-01-31T08:00:00Z", "2026-01-31T08:05:00Z", missed=missed) == expected


def test_nothing_is_due_between_two_ticks():
    assert due("2026-01-31T08:00:00Z", "2026-01-31T08:00:59Z") == []


def test_a_schedule_follows_the_clock_on_the_wall_through_summer_time():
    cron = Cron(options(schedule="30 2 * * *", timezone="Europe/Zurich"))
    ticks = cron.ticks(datetime(2026, 3, 28, 12, tzinfo=UTC))

    days = [next(ticks) for _ in range(3)]

    assert days[0].hour == 1  # 02:30 does not exist that night: it comes as soon as it can
    assert [tick.strftime("%d %H:%M") for tick in days[1:]] == ["30 00:30", "31 00:30"]


def test_every_tick_comes_whoever_is_killed_and_a_repeat_has_the_same_id():
    topology = read_text(MINUTES, Path("t.yaml"), {})
    first = datetime.fromtimestamp(START, UTC).replace(second=0) + timedelta(minutes=1)

    async def feed(_n):
        return

    def which(event):
        return (event.time - first) // timedelta(minutes=1)

    case = SourceCase(
        topology=topology,
        connector="minutely",
        feed=feed,
        count=20,
        which=which,
        steps=14,
        replicas=2,
        patience=7200,
        look=5,
    )

    verdict = trial(case, seeds=10)

    assert verdict.lost == 0
    assert verdict.unrecognised == 0
    assert verdict.kills >= 10


def test_mistakes_are_found_by_lint():
    from penstock.errors import TopologyError

    text = MINUTES.replace('"* * * * *"', '"* * 99 * *"').replace("missed: all", "timezone: Mars/Base")
    with pytest.raises(TopologyError) as caught:
        read_text(text, Path("t.yaml"), {})

    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(5, 37), (5, 77)]
