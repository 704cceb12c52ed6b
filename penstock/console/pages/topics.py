"""Topics: which there are, and the records in one of them, decoded, a page at a time."""

from __future__ import annotations

from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.broker.contract import Ends
from penstock.console.desk import Desk, NotThere, Opened
from penstock.console.render import Pages, query
from penstock.deploy import status
from penstock.record import TopicPartition

PAGE = 50  # records


def routes(desk: Desk, pages: Pages) -> list[Route]:
    """`/topics` and `/topics/{topic}`."""

    async def topics(request: Request) -> Response:
        found = await status.topics(desk.topology, desk.broker)
        return pages.page(request, "topics.html", topics=found, command=desk.command("topics"))

    async def topic(request: Request) -> Response:
        name = request.path_params["topic"]
        described = (await desk.broker.admin().topics([name])).get(name)
        if described is None:
            raise NotThere(f"there is no topic {name}", "`penstock apply` creates those of the topology")
        number = _whole(request, "partition", 0)
        if number >= described.partitions:
            raise NotThere(f"{name} has no partition {number}", f"it has {described.partitions}, counted from 0")
        here = TopicPartition(name, number)
        ends = (await desk.broker.admin().ends([here]))[here]
        first = _first(request, ends)
        shown = await records(desk, here, first, min(first + PAGE, ends.high))
        return pages.page(
            request,
            "topic.html",
            topic=described,
            partition=number,
            ends=ends,
            records=shown,
            newer=_to(number, first + PAGE) if first + PAGE < ends.high else "",
            older=_to(number, max(first - PAGE, ends.low)) if first > ends.low else "",
            command=desk.command("tap", name),
        )

    return [Route("/topics", topics), Route("/topics/{topic}", topic)]


async def records(desk: Desk, here: TopicPartition, first: int, last: int) -> list[Opened]:
    """The records of a stretch, the newest first."""
    if first >= last:
        return []
    async with aclosing(desk.broker.reader().scan({here: (first, last)})) as found:
        return [desk.opened(record) async for record in found][::-1]


def _first(request: Request, ends: Ends) -> int:
    """Where the page begins: as asked, else so that it ends with the newest record."""
    newest = max(ends.high - PAGE, ends.low)
    return min(max(_whole(request, "offset", newest), ends.low), max(ends.high - 1, ends.low))


def _whole(request: Request, name: str, otherwise: int) -> int:
    said = request.query_params.get(name, "")
    if not said:
        return otherwise
    if not (said.isascii() and said.isdigit()):
        raise NotThere(f"{name} is a whole number, not {said}")
    return int(said)


def _to(partition: int, offset: int) -> str:
    return "?" + query({"partition": str(partition), "offset": str(offset)})
