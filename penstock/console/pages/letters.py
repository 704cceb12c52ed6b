"""The dead-letter inbox: causes, the entries of each, one entry with everything it carries."""

from __future__ import annotations

from collections import deque

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.console.desk import Desk, NotThere
from penstock.console.render import Pages, pretty
from penstock.dead_letter.clusters import Clustering
from penstock.dead_letter.entries import DeadLetter, Filters, declared_types, list_entries, look
from penstock.record import Position
from penstock.topology.derived import dead_letter_topic

PAGE = 200  # entries listed


def routes(desk: Desk, pages: Pages) -> list[Route]:
    """`/letters`, `/letters/{processor}`, and one entry below it."""
    letters = _Letters(desk, pages)
    return [
        Route("/letters", letters.everywhere),
        Route("/letters/{processor}", letters.inbox),
        Route("/letters/{processor}/{partition:int}/{offset:int}", letters.entry),
    ]


class _Letters:
    def __init__(self, desk: Desk, pages: Pages) -> None:
        self._desk = desk
        self._pages = pages
        self._declared = declared_types(desk.topology)

    async def everywhere(self, request: Request) -> Response:
        found = await self._desk.groups()
        return self._pages.page(request, "letters.html", groups=found)

    async def inbox(self, request: Request) -> Response:
        desk, declared = self._desk, self._declared
        processor = desk.processor(request.path_params["processor"])
        asked = {name: request.query_params.get(name, "") for name in ("fingerprint", "reason")}
        filters = Filters(reason=asked["reason"] or None, fingerprint=asked["fingerprint"] or None)
        growing = Clustering()
        newest: deque[DeadLetter] = deque(maxlen=PAGE)
        async for letter in list_entries(desk.broker, processor.group_id, filters=filters, declared=declared):
            growing.add(letter)
            newest.append(letter)
        causes = growing.clusters()
        return self._pages.page(
            request,
            "inbox.html",
            processor=processor,
            causes=causes,
            count=sum(cause.count for cause in causes),
            entries=list(reversed(newest)),
            asked=asked,
            command=desk.command("dlt", "ls", "--clusters", processor=processor.name, **asked),
        )

    async def entry(self, request: Request) -> Response:
        desk = self._desk
        processor = desk.processor(request.path_params["processor"])
        at = position_asked(request, processor.group_id)
        found = await look(desk.broker, processor.group_id, at, self._declared)
        if found is None:
            raise NotThere(f"there is no entry at {at}", "it was purged, or never was; the inbox lists what waits")
        letter, marks = found
        opened = desk.opened(letter.record)
        return self._pages.page(
            request,
            "letter.html",
            processor=processor,
            letter=letter,
            marks=marks,
            opened=opened,
            text=pretty(opened.data),
            masked=bool(desk.topology.runs.mask),
            command=desk.command("dlt", "replay", processor=processor.name, position=str(at)),
        )


def position_asked(request: Request, group_id: str) -> Position:
    """The entry that an address names."""
    return Position(dead_letter_topic(group_id), request.path_params["partition"], request.path_params["offset"])
