"""The books are filled by what stands in the topics, and only with this run's own tickets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.reading import ends_now, lag_of, read_books
from demo.tickets import Ticket
from penstock import Context, Event, Reject
from penstock.dead_letter.replay import plan_replay, replay
from penstock.testing.kit import TestApp, run_topology
from processors.triage import triage

TOPOLOGY = Path(__file__).parents[2] / "topology.yaml"
TICKETS = tuple(
    Ticket(f"t{number}", f"c{number}", text)
    for number, text in enumerate(
        ("When does my new card arrive?", "Somebody stole my card!", "fails once", "is refused", "is refused")
    )
)


class Moody:
    """Triage that fails once for some tickets, and refuses others until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    async def __call__(self, event: Event[Any], ctx: Context) -> Any:
        if "refused" in event.data["text"] and not self.mended:
            raise Reject("not today")
        if "once" in event.data["text"] and ctx.attempt == 1:
            raise RuntimeError("a bad moment")
        return await triage(event, ctx)


async def send(app: TestApp, ticket: Ticket) -> None:
    await app.send("tickets.new", ticket.data(), key=ticket.customer, id=ticket.id)


def test_every_ticket_is_found_where_it_ended() -> None:
    moody = Moody()

    async def scenario(app: TestApp) -> None:
        await send(app, Ticket("earlier", "c", "a ticket of somebody else, before"))
        await app.settled()
        since = await ends_now(app.broker, app.topology)
        for ticket in (*TICKETS, Ticket("other", "c", "a ticket of somebody else, meanwhile")):
            await send(app, ticket)
        assert await lag_of(app.broker, app.topology) > 0
        await app.settled()
        assert await lag_of(app.broker, app.topology) == 0

        books = await read_books(app.broker, app.topology, since, TICKETS)
        assert (books.sent, books.triaged, books.done, books.waiting) == (5, 3, 3, 2)
        assert [id for id, account in books.accounts.items() if account.retries] == ["t2"]
        assert books.lost == books.twice == ()
        assert books.duplicates == (0, 0)

        moody.mended = True
        plan = await plan_replay(app.broker, app.topology.processors["triage"].group_id)
        await replay(app.broker, plan, replay_id="r")
        await app.settled()
        books = await read_books(app.broker, app.topology, since, TICKETS)
        assert (books.done, books.dead_lettered, books.replayed, books.waiting) == (5, 2, 2, 0)

    run_topology(TOPOLOGY, scenario, handlers={"triage": moody}, environ={})


def test_what_is_written_twice_is_counted() -> None:
    async def scenario(app: TestApp) -> None:
        since = await ends_now(app.broker, app.topology)
        await send(app, TICKETS[0])
        await send(app, TICKETS[0])
        await app.settled()
        books = await read_books(app.broker, app.topology, since, TICKETS[:1])
        assert (books.sent, books.done, books.duplicates) == (1, 1, (1, 1))

    run_topology(TOPOLOGY, scenario, environ={})
