"""What a caller is told when an event is not accepted: a status, a reason, when to come again (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import JSONResponse

MEDIA: Final = "application/problem+json"


class Refused(Exception):
    """Nothing of the request was accepted, or not all of it. `retry_after`: seconds; `errors`: one for each event."""

    def __init__(
        self, status: int, detail: str, *, retry_after: int | None = None, errors: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.errors = tuple(errors)


def respond(refused: Refused) -> JSONResponse:
    """The response that says so."""
    body: dict[str, Any] = {
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
    }
    if refused.errors:
        body["errors"] = list(refused.errors)
    headers = {}
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    if refused.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, refused.status, headers, media_type=MEDIA)
