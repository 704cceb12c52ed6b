"""The source `cron`: an event at each tick of a schedule. Its cursor is the last tick that was seen to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from penstock.contracts import Incoming
from penstock.engine.source_outlet import SourceOutlet
from penstock.topology.cron_options import CronOptions

_LATE: Final = 60.0  # seconds after which a tick counts as missed: a fail-over takes less
_LONGEST_SLEEP: Final = 30.0  # the wall clock may be set: look again
_AT_ONCE: Final = 100


class Cron:
    """One owner among all replicas sends each tick; a repeat has the same id, since the tick names it."""

    Options = CronOptions

    def __init__(self, options: CronOptions) -> None:
        """Raises ModuleNotFoundError without the extra."""
        import cronsim

        self._options = options
        self._zone = ZoneInfo(options.timezone)
        self._schedule = cronsim.CronSim

    async def run(self, outlet: SourceOutlet) -> None:
        """See contracts.Source."""
        if outlet.cursor is None:
            await outlet.deliver([], cursor=_spelled(_at(outlet.now)))
        last = datetime.fromisoformat(outlet.cursor)
        while not outlet.stopping.is_set():
            now = _at(outlet.now)
            due = self._due(last, now)
            while some := list(islice(due, _AT_ONCE)):
                last = some[-1]
                await outlet.deliver([self._event(tick, outlet) for tick in some], cursor=_spelled(last))
            last = max(last, now)
            await self._sleep(outlet, last)

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """The ticks after a moment, in UTC, for ever."""
        for tick in self._schedule(self._options.schedule, after.astimezone(self._zone)):
            yield tick.astimezone(UTC)

    def _due(self, last: datetime, now: datetime) -> Iterator[datetime]:
        """The ticks to send now: those just passed, and of those missed as many as the policy says."""
        missed: datetime | None = None
        for tick in self.ticks(last):
            if tick > now:
                break
            if self._options.missed == "all" or (now - tick).total_seconds() <= _LATE:
                if missed is not None and self._options.missed == "once":
                    yield missed
                missed = None
                yield tick
            else:
                missed = tick
        if missed is not None and self._options.missed == "once":
            yield missed

    async def _sleep(self, outlet: SourceOutlet, last: datetime) -> None:
        upcoming = next(self.ticks(last), None)
        wait = _LONGEST_SLEEP if upcoming is None else upcoming.timestamp() - outlet.now
        try:
            async with asyncio.timeout(min(max(wait, 0.001), _LONGEST_SLEEP)):
                await outlet.stopping.wait()
        except TimeoutError:
            return

    def _event(self, tick: datetime, outlet: SourceOutlet) -> Incoming:
        options = self._options
        local = tick.astimezone(self._zone).isoformat()
        name = f"{outlet.topology.name}/{options.name}@{_spelled(tick)}"
        return Incoming(data={**options.data, "tick": local}, id=name, key=options.key, time=tick)


def _at(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)


def _spelled(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
