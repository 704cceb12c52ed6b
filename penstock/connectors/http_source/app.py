"""The HTTP face of one gateway: its routes, and one request from its headers to its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from penstock.connectors.http_source import refusal
from penstock.connectors.http_source.acceptance import Acceptance
from penstock.connectors.http_source.access import Access, Caller
from penstock.connectors.http_source.board import Board
from penstock.connectors.http_source.intake import Offer, all_or_none, headers_of, offer, read_body
from penstock.connectors.http_source.openapi import Described, document
from penstock.connectors.http_source.page import html
from penstock.connectors.http_source.refusal import Refused
from penstock.connectors.http_source.results import STREAM, Results, wait_of
from penstock.connectors.http_source.sealing import Sealed, Sealer

_Answer = Callable[[Request], Awaitable[Response]]
_SLACK: Final = 1 << 16  # bytes for the envelope around the events of a batch


@dataclass(frozen=True)
class Gateway:
    """What the routes stand on. `results` and `board` None: there is no way back."""

    described: Described
    access: Access
    sealer: Sealer
    acceptance: Acceptance
    counted: Callable[[int, int], None]  # status, events
    board: Board | None = None
    results: Results | None = None


def application(gateway: Gateway) -> Starlette:
    """The app."""
    path = gateway.described.path
    routes = _Routes(gateway)
    served = [
        Route(path, routes.answering(routes.post), methods=["POST"]),
        Route(f"{path.rstrip('/')}/batch", routes.answering(routes.post_many), methods=["POST"]),
        Route("/openapi.json", routes.answering(routes.openapi), methods=["GET"]),
        Route("/docs", routes.answering(routes.docs), methods=["GET"]),
    ]
    if gateway.results is not None:
        served.append(Route(f"{path.rstrip('/')}/{{id:path}}", routes.answering(routes.result), methods=["GET"]))
    return Starlette(routes=served, exception_handlers={404: _not_found, 405: _not_allowed})


class _Routes:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def answering(self, answer: _Answer) -> _Answer:
        async def endpoint(request: Request) -> Response:
            try:
                return await answer(request)
            except Refused as refused:
                self._gateway.counted(refused.status, 0)
                return refusal.respond(refused)

        return endpoint

    async def post(self, request: Request) -> Response:
        return await self._take(request, many=False)

    async def post_many(self, request: Request) -> Response:
        return await self._take(request, many=True)

    async def result(self, request: Request) -> Response:
        gateway, id_ = self._gateway, request.path_params["id"]
        results = gateway.results
        assert results is not None
        if gateway.access.before_body(request.headers) is None:
            gateway.access.after_body(request.headers, b"")
        case = await results.case(id_)
        if STREAM in request.headers.get("accept", ""):
            response: Response = results.stream(case, request.headers.get("last-event-id"))
        else:
            await results.after(case, wait_of(request.headers))
            response = await results.respond(id_, case, self._location(id_))
        gateway.counted(response.status_code, 0)
        return response

    async def openapi(self, _request: Request) -> Response:
        return Response(orjson.dumps(document(self._gateway.described)), media_type="application/json")

    async def docs(self, _request: Request) -> Response:
        return HTMLResponse(html(document(self._gateway.described)))

    async def _take(self, request: Request, *, many: bool) -> Response:
        gateway, described = self._gateway, self._gateway.described
        headers = headers_of(request)
        caller = gateway.access.before_body(headers)
        body = await read_body(request, headers, described.max_request)
        if caller is None:
            caller = gateway.access.after_body(headers, body)
        offered = offer(request, headers, body, many=many, most=described.max_events)
        sealed = self._seal(offered, headers, caller)
        await gateway.acceptance.accept(sealed)
        gateway.counted(202, len(sealed))
        if gateway.board is not None:
            for event in sealed:
                gateway.board.accepted(event.id)
        if offered.batch:
            return _json(202, {"status": "accepted", "ids": [event.id for event in sealed]})
        return await self._accepted(request, sealed[0].id)

    def _seal(self, offered: Offer, headers: Mapping[str, str], caller: Caller) -> list[Sealed]:
        sealer = self._gateway.sealer
        if not offered.batch:
            return [sealer.seal(offered.events[0], headers, caller, 0)]
        numbered = enumerate(offered.events)
        return all_or_none(numbered, lambda one: sealer.seal(one[1], headers, caller, one[0]))

    async def _accepted(self, request: Request, id_: str) -> Response:
        """202; or what has become of it, where the caller waits for that."""
        results = self._gateway.results
        if results is None:
            return _json(202, {"id": id_, "status": "accepted"})
        wait = wait_of(request.headers)
        if wait:
            case = await results.case(id_)
            await results.after(case, wait)
            response = await results.respond(id_, case, self._location(id_))
            response.headers["Preference-Applied"] = f"wait={wait}"
            response.headers["Location"] = self._location(id_)
            return response
        return _json(202, {"id": id_, "status": "accepted"}, {"Location": self._location(id_)})

    def _location(self, id_: str) -> str:
        from urllib.parse import quote

        return f"{self._gateway.described.path.rstrip('/')}/{quote(id_, safe='')}"


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


async def _not_found(request: Request, _error: Exception) -> Response:
    return refusal.respond(Refused(404, f"there is nothing at {request.url.path}; see /docs"))


async def _not_allowed(request: Request, error: Exception) -> Response:
    response = refusal.respond(Refused(405, f"{request.method} is not taken at {request.url.path}; see /docs"))
    response.headers.update(getattr(error, "headers", None) or {})
    return response
