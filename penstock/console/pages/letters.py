"""The dead-letter inbox: causes, the entries of each, one entry; replay and discard, tried before they are done."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from penstock.console.deeds import Deed, Deeds
from penstock.console.desk import Desk, NotThere
from penstock.console.inbox import inbox_of
from penstock.console.render import Pages
from penstock.dead_letter import discard as discarding
from penstock.dead_letter import replay as replaying
from penstock.dead_letter.entries import Filters, declared_types, look
from penstock.dead_letter.selection import select
from penstock.dead_letter.settling import Result
from penstock.deploy import status
from penstock.record import Position
from penstock.topology.derived import dead_letter_topic


def routes(desk: Desk, pages: Pages) -> list[Route]:
    """`/letters` and what is below it."""
    letters = _Letters(desk, pages)
    return [
        Route("/letters", letters.everywhere),
        Route("/letters/{processor}", letters.inbox),
        Route("/letters/{processor}/{partition:int}/{offset:int}", letters.entry),
        Route("/letters/{processor}/replay", letters.replay, methods=["POST"]),
        Route("/letters/{processor}/discard", letters.discard, methods=["POST"]),
        Route("/deeds/{deed}", letters.deed),
    ]


class _Letters:
    def __init__(self, desk: Desk, pages: Pages) -> None:
        self._desk = desk
        self._pages = pages
        self._deeds = Deeds()
        self._declared = declared_types(desk.topology)

    async def everywhere(self, request: Request) -> Response:
        found = await status.groups(self._desk.topology, self._desk.broker)
        return self._pages.page(request, "letters.html", groups=found)

    async def inbox(self, request: Request) -> Response:
        processor = self._desk.processor(request.path_params["processor"])
        asked = {name: request.query_params.get(name, "") for name in ("fingerprint", "reason")}
        found = await inbox_of(self._desk.broker, processor.group_id, _filters(asked), self._declared)
        return self._pages.page(
            request,
            "inbox.html",
            processor=processor,
            inbox=found,
            asked=asked,
            command=self._desk.command("dlt", "ls", processor=processor.name, **asked),
        )

    async def entry(self, request: Request) -> Response:
        processor = self._desk.processor(request.path_params["processor"])
        at = self._position(request)
        found = await look(self._desk.broker, processor.group_id, at, self._declared)
        if found is None:
            raise NotThere(f"there is no entry at {at}", "it was purged, or never was; the inbox lists what waits")
        letter, marks = found
        return self._pages.page(
            request,
            "letter.html",
            processor=processor,
            letter=letter,
            marks=marks,
            opened=self._desk.opened(letter.record),
            command=self._desk.command("dlt", "replay", processor=processor.name, position=str(at)),
        )

    def _position(self, request: Request) -> Position:
        processor = self._desk.processor(request.path_params["processor"])
        topic = dead_letter_topic(processor.group_id)
        return Position(topic, request.path_params["partition"], request.path_params["offset"])

    async def replay(self, request: Request) -> Response:
        """Without `sure` a plan is shown; with it the replay begins."""
        processor = self._desk.processor(request.path_params["processor"])
        form = await self._form(request)
        if form is None:
            return self._refused(request)
        rate = _number(form.get("rate", ""))
        plan = await replaying.plan_replay(
            self._desk.broker, processor.group_id, filters=_filters(form), declared=self._declared
        )
        command = self._command("replay", processor.name, form)
        if not form.get("sure"):
            return self._plan(request, "replay", form, plan.selection, command, workers=plan.workers)

        async def act(deed: Deed) -> str:
            broker, replay_id = self._desk.broker, str(uuid.uuid4())
            done = await replaying.replay(broker, plan, replay_id=replay_id, rate=rate, progress=deed.advance)
            return _said("replayed", done)

        return self._begin(f"Replay to {plan.topic}", plan.count, command, processor.name, act)

    async def discard(self, request: Request) -> Response:
        """Without `sure` a plan is shown; with it the entries are marked as dealt with."""
        processor = self._desk.processor(request.path_params["processor"])
        form = await self._form(request)
        if form is None:
            return self._refused(request)
        chosen = await select(self._desk.broker, processor.group_id, filters=_filters(form), declared=self._declared)
        command = self._command("discard", processor.name, form)
        if not form.get("sure"):
            return self._plan(request, "discard", form, chosen, command, workers=1)

        async def act(deed: Deed) -> str:
            done = await discarding.discard(
                self._desk.broker, chosen, replay_id=str(uuid.uuid4()), progress=deed.advance
            )
            return _said("discarded", done)

        return self._begin(f"Discard of {processor.group_id}", chosen.count, command, processor.name, act)

    async def deed(self, request: Request) -> Response:
        found = self._deeds.get(request.path_params["deed"])
        if found is None:
            raise NotThere("that action is not known any more", "the inbox shows how things stand")
        return self._pages.page(request, "deed.html", deed=found)

    async def _form(self, request: Request) -> Mapping[str, str] | None:
        """The form's fields; None where the request may not act."""
        async with request.form(max_files=0) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
        return fields if self._desk.access.may_act(request, fields.get("proof", "")) else None

    def _refused(self, request: Request) -> Response:
        return self._pages.page(
            request,
            "error.html",
            403,
            title="A token is needed",
            message="acting needs the console's token",
            hint="open the address that `penstock console` printed; it carries the token",
        )

    def _plan(
        self, request: Request, deed: str, form: Mapping[str, str], selection: object, command: str, *, workers: int
    ) -> Response:
        return self._pages.page(
            request,
            "plan.html",
            deed=deed,
            processor=request.path_params["processor"],
            form={name: value for name, value in form.items() if name in _FIELDS and value},
            selection=selection,
            workers=workers,
            command=command,
        )

    def _begin(self, what: str, total: int, command: str, processor: str, act: object) -> Response:
        deed = self._deeds.begin(what, total, command, f"/letters/{processor}", act)  # type: ignore[arg-type]
        return RedirectResponse(f"/deeds/{deed.id}", 303)

    def _command(self, verb: str, processor: str, form: Mapping[str, str]) -> str:
        asked = {name: form.get(name) for name in _FIELDS}
        return self._desk.command("dlt", verb, processor=processor, **asked)


_FIELDS = ("fingerprint", "reason", "position", "limit", "rate")


def _filters(form: Mapping[str, str]) -> Filters:
    limit = _number(form.get("limit", ""))
    position = form.get("position", "")
    return Filters(
        reason=form.get("reason") or None,
        fingerprint=form.get("fingerprint") or None,
        position=_position(position) if position else None,
        limit=int(limit) if limit else None,
    )


def _position(text: str) -> Position:
    from penstock.record import parse_position

    found = parse_position(text)
    if found is None:
        raise NotThere(f"{text} is no position", "write topic/0@12")
    return found


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        raise NotThere(f"{text} is no number") from None
    if not 0 < found < 1e9:
        raise NotThere(f"{text} is not above 0")
    return found


def _said(verb: str, result: Result) -> str:
    contested = f"; {result.contested} of them by another command too" if result.contested else ""
    return f"{result.tally.written} {verb}{contested}"
