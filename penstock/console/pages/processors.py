"""One processor: what it is, how it stands, who works on it, and its latest runs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.console.desk import Desk
from penstock.console.live import Live
from penstock.console.render import Pages
from penstock.console.shown import attempt_values
from penstock.control.commands import ControlState
from penstock.control.giving import read_control
from penstock.deploy import status
from penstock.errors import TopicMissing
from penstock.runs.reading import RunFilters, list_runs
from penstock.topology.derived import retry_tiers

_LATEST = 20
_SINCE = 3600.0  # seconds


def routes(desk: Desk, pages: Pages, live: Live) -> list[Route]:
    """`/processors/{name}`."""

    async def page(request: Request) -> Response:
        processor = desk.processor(request.path_params["processor"])
        sample = await live.sampler.newest()
        try:
            state = await read_control(desk.topology, desk.broker)
        except TopicMissing:  # then nobody told it anything; who pulls a lever is told why none is heard
            state = ControlState()
        paused = state.paused(processor.name)
        members = next(
            one for one in await status.members(desk.topology, desk.broker) if one.processor == processor.name
        )
        return pages.page(
            request,
            "processor.html",
            processor=processor,
            tiers=() if processor.retry.preserve_order else retry_tiers(processor.retry),
            figures=sample.figures.get(processor.name),
            problem=sample.problem,
            members=members,
            rows=await _latest(desk, processor.name),
            paused=paused,
            limit=state.concurrency(processor.name),
            lever=desk.command("resume" if paused else "pause", processor.name),
            command=desk.command("groups", processor.name),
        )

    return [Route("/processors/{processor}", page)]


async def _latest(desk: Desk, processor: str) -> list[dict[str, object]] | None:
    """The latest attempts of an hour; None where runs are not recorded."""
    since = int((desk.clock.now() - _SINCE) * 1000)
    try:
        found = await list_runs(desk.topology, desk.broker, RunFilters(processor=processor, since=since, limit=_LATEST))
    except TopicMissing:
        return None
    return [attempt_values(one) for one in found.attempts]
