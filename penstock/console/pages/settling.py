"""Ways out of the inbox: replay (a few first, if asked), discard, replay mended. Each is shown before it is done."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from penstock.console.deeds import Deed, Deeds
from penstock.console.desk import Desk, NotThere
from penstock.console.forms import fields_of, number, operator
from penstock.console.pages.letters import position_asked
from penstock.console.render import Pages, pretty
from penstock.control.commands import Command
from penstock.control.commands import Deed as Action
from penstock.control.turns import recorded_turn
from penstock.dead_letter import discard as discarding
from penstock.dead_letter import replay as replaying
from penstock.dead_letter.canary import replay_carefully
from penstock.dead_letter.entries import Filters, declared_types, look
from penstock.dead_letter.mending import difference, replay_mended
from penstock.dead_letter.replay import ReplayPlan
from penstock.dead_letter.selection import Selection, select
from penstock.dead_letter.settling import Result
from penstock.record import parse_position
from penstock.runs.costs import expected_cost

_CHOSEN = ("fingerprint", "reason", "position", "limit")
_FIELDS = (*_CHOSEN, "rate", "canary")
_MOST_FAILING = 0.1  # of the first ones


def routes(desk: Desk, pages: Pages) -> list[Route]:
    """The POSTs below `/letters/{processor}`, and `/deeds/{id}` that follows what they began."""
    ways = _Ways(desk, pages)
    return [
        Route("/letters/{processor}/replay", ways.replay, methods=["POST"]),
        Route("/letters/{processor}/discard", ways.discard, methods=["POST"]),
        Route("/letters/{processor}/{partition:int}/{offset:int}/mend", ways.mend, methods=["POST"]),
        Route("/deeds/{deed}", ways.deed),
    ]


class _Ways:
    def __init__(self, desk: Desk, pages: Pages) -> None:
        self._desk = desk
        self._pages = pages
        self._deeds = Deeds()
        self._declared = declared_types(desk.topology)

    async def replay(self, request: Request) -> Response:
        """Without `sure` a plan is shown; with it the replay begins."""
        desk, form = self._desk, await fields_of(request, self._desk.access)
        processor = desk.processor(request.path_params["processor"])
        rate, canary = number(form.get("rate", "")), number(form.get("canary", ""))
        plan = await replaying.plan_replay(
            desk.broker, processor.group_id, filters=_filters(form), declared=self._declared
        )
        if not form.get("sure"):
            cost = await expected_cost(desk.topology, desk.broker, processor.name, plan.count, desk.clock.now())
            return self._plan(request, "replay", form, plan.selection, workers=plan.workers, cost=cost)

        async def act(deed: Deed) -> str:
            async with self._turn(deed, request, "replay", form, plan.count) as replay_id:
                return await _replayed(desk, plan, replay_id, rate, canary, deed.advance)

        return self._begin(request, f"Replay to {plan.topic}", plan.count, self._command("replay", request, form), act)

    async def discard(self, request: Request) -> Response:
        """Without `sure` a plan is shown; with it the entries are marked as dealt with."""
        desk, form = self._desk, await fields_of(request, self._desk.access)
        group = desk.processor(request.path_params["processor"]).group_id
        chosen = await select(desk.broker, group, filters=_filters(form), declared=self._declared)
        if not form.get("sure"):
            return self._plan(request, "discard", form, chosen, workers=1)

        async def act(deed: Deed) -> str:
            async with self._turn(deed, request, "discard", form, chosen.count) as replay_id:
                done = await discarding.discard(desk.broker, chosen, replay_id=replay_id, progress=deed.advance)
            return _said("discarded", done)

        command = self._command("discard", request, form)
        return self._begin(request, f"Discard of {group}", chosen.count, command, act)

    async def mend(self, request: Request) -> Response:
        """Other data for one entry: without `sure` the difference is shown, with it the entry is replayed so."""
        desk, form = self._desk, await fields_of(request, self._desk.access)
        processor = desk.processor(request.path_params["processor"])
        group = processor.group_id
        at = position_asked(request, group)
        found = await look(desk.broker, group, at, self._declared)
        if found is None:
            raise NotThere(f"there is no entry at {at}", "the inbox lists what waits")
        letter, text = found[0], form.get("data", "")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise NotThere(f"this is not JSON: {error}", "go back: what you wrote is still there") from error
        said = f"{at.partition}@{at.offset}"
        command = desk.command("dlt", "mend", said, processor=processor.name, data="mended.json")
        if not form.get("sure"):
            compared = difference(pretty(desk.opened(letter.record).data), pretty(data))
            shown: dict[str, Any] = {"processor": processor, "letter": letter, "text": text, "command": command}
            return self._pages.page(request, "mend.html", difference=compared, **shown)

        async def act(deed: Deed) -> str:
            asked = {**form, "position": str(at), "with": "other data"}
            async with self._turn(deed, request, "replay", asked, 1) as replay_id:
                done = await replay_mended(
                    desk.broker, desk.codec, group, letter, data, replay_id=replay_id, clock=desk.clock
                )
            deed.advance(done.tally.written)
            return _said("replayed with other data", done)

        return self._begin(request, f"Replay of {at}, mended", 1, command, act)

    async def deed(self, request: Request) -> Response:
        found = self._deeds.get(request.path_params["deed"])
        if found is None:
            raise NotThere("that action is not known any more", "the inbox shows how things stand")
        return self._pages.page(request, "deed.html", deed=found)

    def _plan(
        self,
        request: Request,
        deed: str,
        form: Mapping[str, str],
        selection: Selection,
        *,
        workers: int,
        cost: str = "",
    ) -> Response:
        return self._pages.page(
            request,
            "plan.html",
            deed=deed,
            processor=request.path_params["processor"],
            form={name: value for name, value in form.items() if name in _FIELDS and value},
            selection=selection,
            workers=workers,
            cost=cost,
            command=self._command(deed, request, form),
        )

    def _begin(
        self, request: Request, what: str, total: int, command: str, act: Callable[[Deed], Awaitable[str]]
    ) -> Response:
        deed = self._deeds.begin(what, total, command, f"/letters/{request.path_params['processor']}", act)
        return RedirectResponse(f"/deeds/{deed.id}", 303)

    @asynccontextmanager
    async def _turn(
        self, deed: Deed, request: Request, action: Action, form: Mapping[str, str], count: int
    ) -> AsyncIterator[str]:
        """Act while inside, alone and on the audit; gives the id it is done under. Raises NotYourTurn."""
        desk, replay_id = self._desk, str(uuid.uuid4())
        said = {name: form[name] for name in (*_FIELDS, "with") if form.get(name)} | {"replay id": replay_id}
        detail = ", ".join(f"{name} {value}" for name, value in said.items())
        target, at = request.path_params["processor"], round(desk.clock.now() * 1000)
        command = Command(str(uuid.uuid4()), action, target, operator(request, form), at, "", count, detail)
        async with recorded_turn(desk.topology, desk.broker, command, desk.clock, deed.remarked):
            yield replay_id

    def _command(self, verb: str, request: Request, form: Mapping[str, str]) -> str:
        asked = {name: form.get(name) for name in _FIELDS}
        if asked["canary"]:
            asked["max_failure_rate"] = f"{_MOST_FAILING:.0%}"
        return self._desk.command("dlt", verb, processor=request.path_params["processor"], **asked)


async def _replayed(
    desk: Desk,
    plan: ReplayPlan,
    replay_id: str,
    rate: float | None,
    canary: float | None,
    advance: Callable[[int], None],
) -> str:
    """Replay the plan, a few first where asked; how it went, in words."""
    if canary is None:
        done = await replaying.replay(
            desk.broker, plan, replay_id=replay_id, rate=rate, progress=advance, clock=desk.clock
        )
        return _said("replayed", done)
    careful = await replay_carefully(
        desk.broker,
        plan,
        replay_id=replay_id,
        canary=int(canary),
        max_failure_rate=_MOST_FAILING,
        rate=rate,
        progress=advance,
        clock=desk.clock,
    )
    stopped = f"; stopped: {careful.stopped}" if careful.stopped else ""
    return f"{_said('replayed', careful.result)}{stopped}"


def _filters(form: Mapping[str, str]) -> Filters:
    limit, said = number(form.get("limit", "")), form.get("position", "")
    position = parse_position(said) if said else None
    if said and position is None:
        raise NotThere(f"{said} is no position", "write topic/0@12")
    return Filters(
        reason=form.get("reason") or None,
        fingerprint=form.get("fingerprint") or None,
        position=position,
        limit=int(limit) if limit else None,
    )


def _said(verb: str, result: Result) -> str:
    contested = f"; {result.contested} of them by another command too" if result.contested else ""
    refused = f"; {result.tally.refusals} that Kafka will never take" if result.tally.refusals else ""
    return f"{result.tally.written} {verb}{refused}{contested}"
