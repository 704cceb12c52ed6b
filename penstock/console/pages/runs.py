"""What ran: the list with filters and a live tail, and one run with every attempt and step."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.console.desk import Desk, NotThere, Opened
from penstock.console.live import Live
from penstock.console.pages.topics import records
from penstock.console.render import Pages, query
from penstock.console.shown import OUTCOMES, attempt_values, reading_filters
from penstock.console.timeline import timeline_of
from penstock.record import parse_position
from penstock.runs.reading import list_runs
from penstock.runs.trace import trace

PAGE = 200  # attempts
_FIELDS = ("processor", "outcome", "key", "id", "since", "sort")


def routes(desk: Desk, pages: Pages, _live: Live) -> list[Route]:
    """`/runs` and `/runs/{id}`."""

    async def runs(request: Request) -> Response:
        asked = {name: request.query_params.get(name, "") for name in _FIELDS}
        filters = reading_filters(request.query_params, desk.clock.now(), PAGE)
        found = await list_runs(desk.topology, desk.broker, filters)
        return pages.page(
            request,
            "runs.html",
            found=found,
            rows=[attempt_values(one) for one in found.attempts],
            asked={**asked, "since": asked["since"] or "1h"},
            outcomes=OUTCOMES,
            tail="?" + query(asked),
            command=_listing(desk, asked),
        )

    async def run(request: Request) -> Response:
        wanted = request.path_params["run"]
        traced = await trace(desk.topology, desk.broker, wanted)
        attempts = sorted((one for one in traced.attempts if one.run_id == wanted), key=lambda one: one.started)
        if not attempts:
            raise NotThere(f"no run {wanted} is on record", "the list shows those there are")
        return pages.page(
            request,
            "run.html",
            run_id=wanted,
            attempts=attempts,
            last=attempts[-1],
            timeline=timeline_of(attempts),
            input=await _at(desk, attempts[0].origin),
            outputs=[opened for at in attempts[-1].sent[:20] if (opened := await _at(desk, at))],
            traced=traced,
            command=desk.command("trace", wanted),
            cancel=desk.command("cancel", wanted),
        )

    return [Route("/runs", runs), Route("/runs/{run}", run)]


def _listing(desk: Desk, asked: dict[str, str]) -> str:
    words = ["runs", "ls"]
    words += ["--failed"] if asked["outcome"] == "failed" else []
    words += ["--slowest"] if asked["sort"] == "slowest" else []
    outcome = asked["outcome"] if asked["outcome"] in OUTCOMES else None
    since = None if asked["since"] == "all" else asked["since"] or "1h"
    return desk.command(
        *words, processor=asked["processor"], outcome=outcome, key=asked["key"], id=asked["id"], since=since
    )


async def _at(desk: Desk, position: str) -> Opened | None:
    """The record at a position, opened; None where it is gone or the text is none."""
    found = parse_position(position)
    if found is None:
        return None
    here = await records(desk, found.source, found.offset, found.offset + 1)
    return here[0] if here else None
