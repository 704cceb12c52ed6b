"""A provider that is away for ten minutes, played in virtual time: 429, then no answer, then 500, then it is back.

The engine is the one that ran the desk; only the log and the clock are the test kit's, so ten minutes take a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx

from penstock import Context, Event
from penstock.testing import TestApp, run_topology
from penstock.topology.model import Breaker, Limit, Topology

_BEGIN: Final = 60.0  # seconds of virtual time
_LENGTH: Final = 600.0
_COUNT: Final = 1500
_PACE: Final = 0.5  # seconds between tickets: they go on coming all the while
_WATCHED: Final = 20.0  # seconds into the outage at which the intake is looked at


@dataclass(frozen=True, slots=True)
class Outage:
    """What came of it. `taken` records had been taken when the outage was 20 s old; `asked`: calls during it."""

    sent: int
    done: int
    spent: int
    dead: int
    deferred: int
    taken: int
    asked: int

    def rows(self) -> Sequence[tuple[str, str]]:
        """For the table."""
        return [
            ("tickets", f"{self.sent:,}, one each half second, before, during and after"),
            ("intake", f"stopped within seconds: {self.taken:,} taken when the outage was {_WATCHED:.0f} s old"),
            ("calls during it", f"{self.asked:,}: those under way, then a probe each half minute"),
            ("attempts spent", f"{self.spent:,}  ({self.deferred:,} deferrals instead)"),
            ("dead letters", f"{self.dead:,}"),
            ("done after it", f"{self.done:,} of {self.sent:,}"),
        ]

    def broken_claims(self) -> Sequence[str]:
        """Each claim that did not hold, as a sentence."""
        claims = {
            f"an outage loses nothing ({self.done} of {self.sent} done)": self.done == self.sent,
            f"an outage spends no attempt ({self.spent})": self.spent == 0,
            f"an outage buries nothing ({self.dead})": self.dead == 0,
            f"the intake stops within seconds ({self.taken} taken)": self.taken <= (_BEGIN + 12) / _PACE,
            f"nobody storms a provider that is away ({self.asked} calls)": self.asked < 100,
        }
        return [claim for claim, held in claims.items() if not held]


def perform(topology: Topology) -> Outage:
    """Play it with the desk's triage. Runs an event loop of its own."""
    asked = Counter[bool]()
    done: set[str] = set()

    async def triage(event: Event[Any], ctx: Context) -> None:
        now = asyncio.get_running_loop().time()
        asked[_BEGIN <= now < _BEGIN + _LENGTH] += 1
        await _model(now)
        done.add(event.id)

    async def scenario(app: TestApp) -> Outage:
        taken = 0
        for number in range(_COUNT):
            ticket = {"ticket_id": f"t{number}", "customer_id": f"c{number}", "text": "my card is lost"}
            await app.send("tickets.new", ticket, key=f"c{number}", id=f"t{number}")
            await asyncio.sleep(_PACE)
            if not taken and asyncio.get_running_loop().time() > _BEGIN + _WATCHED:
                taken = sum(
                    one.tracker.position for one in app.workers[0].parts.partitions.values() if one.gate is None
                )
        await app.settled()
        ends = Counter(one.outcome for one in app.attempts)
        dead = len(app.dead_letters("triage"))
        return Outage(_COUNT, len(done), ends["retried"], dead, ends["deferred"], taken, asked[True])

    limit = Limit(name="model", breaker=Breaker())
    desk = replace(topology.processors["triage"], limits=("model",), timeout=5.0)
    played = replace(topology, processors={"triage": desk}, limits={"model": limit}, connectors={})
    talk = logging.getLogger("penstock")  # its warnings are what is shown here, in one table
    level = talk.level
    talk.setLevel(logging.CRITICAL)
    try:
        return run_topology(played, scenario, handlers={"triage": triage})
    finally:
        talk.setLevel(level)


async def _model(now: float) -> None:
    """The provider, at `now` seconds. Raises httpx.HTTPStatusError."""
    await asyncio.sleep(0.5)
    into = now - _BEGIN
    if not 0 <= into < _LENGTH:
        return
    third = int(into / _LENGTH * 3)
    if third == 1:
        await asyncio.sleep(1e6)
    status, headers = (429, {"retry-after": "7"}) if third == 0 else (500, {})
    request = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")
    httpx.Response(status, headers=headers, request=request).raise_for_status()
