"""The first page: the topology as a live picture, and every processor in figures."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.console.desk import Desk
from penstock.console.graph import graph_of
from penstock.console.live import Live
from penstock.console.render import Pages


def routes(desk: Desk, pages: Pages, live: Live) -> list[Route]:
    """`/`."""
    graph = graph_of(desk.topology)

    async def overview(request: Request) -> Response:
        sample = await live.sampler.newest()
        return pages.page(request, "overview.html", sample=sample, graph=graph, command=desk.command("top"))

    return [Route("/", overview)]
