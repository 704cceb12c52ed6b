"""The console as one ASGI app: its routes, the rules of access in front of them, and errors in plain words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from penstock.console.access import COOKIE
from penstock.console.desk import Desk, NotThere
from penstock.console.forms import Refused
from penstock.console.live import Live
from penstock.console.pages import groups, letters, levers, overview, processors, runs, settling, topics
from penstock.console.render import STATIC, Pages
from penstock.errors import BrokerError, BrokerUnavailable, PenstockError, TopicMissing
from penstock.runs.trace import NoTrace

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Next = Callable[[Request], Awaitable[Response]]


def create(desk: Desk) -> Starlette:
    """The app. The desk's broker is used, not owned: who made it closes it."""
    pages = Pages(desk)
    live = Live(desk)
    routes = [
        Mount("/static", StaticFiles(directory=STATIC), name="static"),
        *overview.routes(desk, pages, live),
        *processors.routes(desk, pages, live),
        *runs.routes(desk, pages, live),
        *letters.routes(desk, pages),
        *settling.routes(desk, pages),
        *topics.routes(desk, pages),
        *groups.routes(desk, pages),
        *levers.routes(desk, pages),
        *live.routes(),
        Route("/healthz", _healthz),
    ]
    gate = _Gate(desk, pages)
    return Starlette(
        routes=routes,
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=gate)],
        exception_handlers={PenstockError: gate.explain, 404: gate.not_found},
    )


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


class _Gate:
    """In front of every page: who may pass, which headers every answer carries, and what an error reads like."""

    def __init__(self, desk: Desk, pages: Pages) -> None:
        self._access = desk.access
        self._pages = pages

    async def __call__(self, request: Request, call_next: Next) -> Response:
        response = self._refusal(request) or await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _refusal(self, request: Request) -> Response | None:
        if not self._access.is_addressed_rightly(request):
            return self._pages.page(
                request,
                "error.html",
                400,
                title="Another name",
                message=f"this console does not answer as {request.url.hostname}",
                hint="open it as http://127.0.0.1, or bind it with --host and use its token",
            )
        if given := request.query_params.get("token"):
            return self._enter(request, given)
        if request.url.path == "/healthz" or request.url.path.startswith("/static/"):
            return None
        if not self._access.may_look(request):
            return self._locked(request)
        return None

    def _enter(self, request: Request, given: str) -> Response:
        """The token came in the address: keep it in a cookie, and take it out of the address."""
        if not self._access.is_token(given):
            return self._locked(request)
        response = RedirectResponse(str(request.url.remove_query_params("token")), 303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, given, httponly=True, samesite="strict", secure=secure)
        return response

    def _locked(self, request: Request) -> Response:
        return self._pages.page(
            request,
            "error.html",
            403,
            title="A token is needed",
            message="this needs the console's token",
            hint="open the address that `penstock console` printed; it carries the token",
        )

    async def explain(self, request: Request, error: Exception) -> Response:
        """An error of ours as a page: what happened, what to do."""
        assert isinstance(error, PenstockError)
        status = 500
        title = "That did not work"
        if isinstance(error, NotThere | NoTrace | TopicMissing):
            status, title = 404, "Not there"
        elif isinstance(error, Refused):
            status, title = 403, "A token is needed"
        elif isinstance(error, BrokerUnavailable):
            status, title = 503, "Kafka does not answer"
        elif isinstance(error, BrokerError):
            title = "Kafka said no"
        return self._pages.page(request, "error.html", status, title=title, message=error.message, hint=error.hint)

    async def not_found(self, request: Request, _error: Exception) -> Response:
        """No page has this address."""
        return self._pages.page(
            request,
            "error.html",
            404,
            title="Not there",
            message=f"there is no page {request.url.path}",
            hint="the menu has all of them",
        )
