"""Levers: pause, resume, concurrency of a processor, a run given up; and the audit of who pulled which."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from penstock.console.desk import Desk, NotThere
from penstock.console.forms import fields_of, number, operator
from penstock.console.render import Pages
from penstock.control.commands import Command, Lever
from penstock.control.giving import give, read_control


def routes(desk: Desk, pages: Pages) -> list[Route]:
    """The POSTs of processors and runs, and `/audit`."""

    async def told(request: Request, action: Lever, target: str, back: str) -> Response:
        form = await fields_of(request, desk.access)
        value = number(form.get("concurrency", ""), what="a whole number") if action == "set" else None
        at = round(desk.clock.now() * 1000)
        concurrency = int(value) if value else None
        command = Command(
            str(uuid.uuid4()), action, target, operator(request, form), at, form.get("reason", ""), concurrency
        )
        await give(desk.topology, desk.broker, command)
        return RedirectResponse(back, 303)

    async def lever(request: Request) -> Response:
        name = desk.processor(request.path_params["processor"]).name
        action = request.path_params["action"]
        if action not in ("pause", "resume", "set"):
            raise NotThere(f"there is no lever {action}")
        return await told(request, action, name, f"/processors/{name}")

    async def cancel(request: Request) -> Response:
        run_id = request.path_params["run"]
        try:
            uuid.UUID(run_id)
        except ValueError:
            raise NotThere(f"{run_id} is no run id") from None
        return await told(request, "cancel", run_id, f"/runs/{run_id}")

    async def audit(request: Request) -> Response:
        state = await read_control(desk.topology, desk.broker)
        lines = state.audit[::-1]
        return pages.page(request, "audit.html", lines=lines[:1000], state=state, command=desk.command("audit"))

    return [
        Route("/processors/{processor}/{action}", lever, methods=["POST"]),
        Route("/runs/{run}/cancel", cancel, methods=["POST"]),
        Route("/audit", audit),
    ]
