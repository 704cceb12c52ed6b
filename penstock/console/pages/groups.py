"""Consumer groups: who is a member, with which partitions, and what waits."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.console.desk import Desk
from penstock.console.render import Pages


def routes(desk: Desk, pages: Pages) -> list[Route]:
    """`/groups`."""

    async def groups(request: Request) -> Response:
        found = await desk.groups()
        return pages.page(request, "groups.html", groups=found, command=desk.command("groups"))

    return [Route("/groups", groups)]
