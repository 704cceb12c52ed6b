"""The play itself, act by act: load, a kill in view, what failed and came home. It knows no broker and no screen."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from demo import model, one_at_a_time
from demo.board import Board
from demo.ledger import Ledger
from demo.reading import Offsets, ends_now, lag_of, read_books
from demo.stage import Stage, Victim
from demo.tickets import Ticket, generated, spread_evenly
from penstock import AsyncPublisher
from penstock.dead_letter.entries import Filters, declared_types, list_entries
from penstock.errors import PenstockError
from penstock.testing.model_server import ModelServer

_EACH: Final = 4  # tickets a partition in the measurement one at a time
_KILL_AT: Final = 0.45  # of all tickets triaged
_PATIENCE: Final = 150.0  # seconds for everything sent to be finished


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured. `slow` is the ledger of the yardstick; None where there is no model that takes its time.

    `reappeared` tickets of the killed worker's partitions were unfinished; `heirs` says where its runs came up again.
    """

    ledger: Ledger
    slow: Ledger | None
    victim: Victim
    reappeared: int
    heirs: str
    peak: int
    concurrency: int
    lag: int
    came_home: int


class Play:
    """One performance. `server` is the scripted model, None where the agents work by their rules or ask another."""

    def __init__(self, stage: Stage, board: Board, tickets: Sequence[Ticket], server: ModelServer | None) -> None:
        self._stage = stage
        self._board = board
        self._tickets = tickets
        self._server = server
        self._triage = stage.topology.processors[board.watched]
        self._begun = int(time.time() * 1000)

    async def perform(self) -> Outcome:
        """All acts, from workers that stand ready to books that are closed."""
        async with self._watching():
            await self._finished("what was there before")
            slow = await self._yardstick() if self._server is not None else None
            since = await ends_now(self._stage.broker, self._stage.topology)
            victim = await self._batch()
            ledger = await self._books(since)
            peak, heirs, reappeared = self._board.peak, self._heirs(), len(self._left_behind(ledger, victim))
            self._tell(ledger, victim, slow, reappeared, heirs)
            waiting = {id for id, account in ledger.accounts.items() if account.waits}
            if waiting and self._server is not None:
                ledger = await self._bring_home(since)
            lag = await lag_of(self._stage.broker, self._stage.topology)
        return Outcome(
            ledger=ledger,
            slow=slow,
            victim=victim,
            reappeared=reappeared,
            heirs=heirs,
            peak=peak,
            concurrency=self._triage.concurrency * self._triage.replicas,
            lag=lag,
            came_home=sum(bool(ledger.accounts[id].ended) for id in waiting),
        )

    async def _yardstick(self) -> Ledger:
        """The same work, one at a time per partition."""
        assert self._server is not None
        source = self._stage.topology.topics[self._triage.topics[0]]
        run = self._tickets[0].id.partition("-")[0]
        sample = spread_evenly(generated(f"{run}y", 600), source.partitions or 1, _EACH)
        title = f"1  The yardstick: {len(sample)} tickets, one at a time per partition ({source.partitions} of them)"
        self._board.restart(title, 0)
        ledger = await one_at_a_time.measure(self._stage.topology, self._stage.broker, sample)
        self._board.say(f"one at a time per partition does {ledger.rate():.1f} tickets a second")
        return ledger

    async def _batch(self) -> Victim:
        """All tickets at once, and one worker killed in the midst of them."""
        count = len(self._tickets)
        takes = f", each {model.LATENCY:g} s of model" if self._server is not None else ""
        self._board.restart(f"2  {count:,} tickets at once{takes}", count)
        if self._server is not None:
            model.spoil(self._server)
        async with asyncio.TaskGroup() as group:  # a desk that works by rules is half through before all are sent
            group.create_task(self._send())
            victim = await group.create_task(self._kill(_KILL_AT * count))
        await self._finished("the tickets")
        return victim

    async def _send(self) -> None:
        begun = time.monotonic()
        async with AsyncPublisher(self._stage.topology, broker=self._stage.broker, source="demo") as publisher:
            data = [ticket.data() for ticket in self._tickets]
            sent = await publisher.send_many(self._triage.topics[0], data, key="customer_id", id="ticket_id")
        self._board.say(f"{sent:,} tickets sent and acknowledged in {time.monotonic() - begun:.1f} s")

    async def _kill(self, at: float) -> Victim:
        """Kill the busiest worker once so many tickets are triaged."""
        await self._until(lambda: self._board.counted("done") >= at, "tickets to kill a worker amid")
        held = await self._stage.looks(self._triage.name)
        name = max(held, key=lambda one: held[one].in_flight)
        victim = await self._stage.kill(name)
        self._board.bequeath(name, victim.partitions)
        self._board.say(f"{name}: {victim.how}, with {held[name].in_flight} runs in flight")
        return victim

    def _tell(self, ledger: Ledger, victim: Victim, slow: Ledger | None, reappeared: int, heirs: str) -> None:
        if slow is not None:
            now = ledger.rate(victim.at)
            self._board.say(
                f"one at a time per partition would do {slow.rate():.1f}/s, now: {now:.1f}/s "
                f"(up to {self._board.peak} in flight)"
            )
        self._board.say(
            f"when {victim.worker} died, {reappeared} tickets of its partitions were unfinished; "
            f"runs that reappeared: {heirs}; lost {len(ledger.lost)}, repeated {ledger.duplicates[0]}"
        )
        if ledger.retried:
            self._board.say(
                f"{ledger.retried} tickets failed, waited in retry topics, and {ledger.recovered} recovered"
            )

    def _left_behind(self, ledger: Ledger, victim: Victim) -> Sequence[str]:
        return ledger.unfinished(victim.partitions, victim.at)

    def _heirs(self) -> str:
        found = self._board.heirs.most_common()
        return ", ".join(f"{count} on {worker}" for worker, count in found) or "nowhere"

    async def _bring_home(self, since: Offsets) -> Ledger:
        """What was given up: the cause is fixed, then it is replayed."""
        assert self._server is not None
        topology, broker, group = self._stage.topology, self._stage.broker, self._triage.group_id
        filters = Filters(since=self._begun)
        letters = [one async for one in list_entries(broker, group, filters=filters, declared=declared_types(topology))]
        self._board.restart(f"3  {len(letters)} tickets in {group}.dlt", len(letters))
        for letter in letters:
            self._board.say(f"{letter.event_id}: {letter.reason}: {letter.error_message}"[:150])
        model.mend(self._server)
        self._board.say("the cause is fixed: the model's filter is lifted")
        for line in await self._stage.replay(self._triage.name, self._begun):
            self._board.say(line)
        await self._finished("the replay")
        return await self._books(since)

    async def _books(self, since: Offsets) -> Ledger:
        return await read_books(self._stage.broker, self._stage.topology, since, self._tickets)

    async def _finished(self, what: str) -> None:
        """Wait until no group has anything left, at two looks in a row: one group's end is another's beginning."""
        deadline, quiet = time.monotonic() + _PATIENCE, 0
        while quiet < 2:
            lag = await lag_of(self._stage.broker, self._stage.topology)
            quiet = 0 if lag else quiet + 1
            if time.monotonic() > deadline:
                raise PenstockError(f"{what}: {lag} records are unfinished after {_PATIENCE:g} s")
            await asyncio.sleep(0.5)

    async def _until(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not reached():
            if time.monotonic() > deadline:
                raise PenstockError(f"waited {_PATIENCE:g} s in vain for {what}")
            await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """Look at the workers twice a second while inside."""

        async def watch() -> None:
            while True:
                self._board.looked(await self._stage.looks(self._triage.name))
                await asyncio.sleep(0.4)

        watching = asyncio.create_task(watch())
        try:
            yield
            if watching.done():
                watching.result()
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
