"""Who may look and who may act.

Anyone on this machine may look. Acting needs the token, and so does everything when the console is bound to another
address than loopback. The token comes once in the address (`/?token=...`) or as `Authorization: Bearer`; a browser then
keeps it in a cookie that no script reads and no other site sends. Forms carry a second proof derived from it, and a
request that another site made is refused whatever it carries.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request

COOKIE: Final = "console-token"
FORM_FIELD: Final = "proof"
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def remembered_token(directory: Path) -> str:
    """The token of the app in this folder, made at its first console and kept, readable by its owner alone.

    So a browser that was let in stays in when the console starts anew. On a read-only disk it is made up each time.
    """
    path = directory / ".penstock" / "console-token"
    with contextlib.suppress(OSError):
        if found := path.read_text(encoding="ascii").strip():
            return found
    made = secrets.token_urlsafe(24)
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(made, encoding="ascii")
    return made


def is_loopback(host: str) -> bool:
    """Whether an address to bind to is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """The rules for one console: its token, and whether looking is free."""

    token: str
    open_to_look: bool

    @property
    def proof(self) -> str:
        """What a form must bring back: made from the token, so that only a page of ours knows it."""
        return hmac.new(self.token.encode(), b"penstock console form", hashlib.sha256).hexdigest()

    def holds_token(self, request: Request) -> bool:
        """Whether the request brought the token, in its cookie or as a bearer."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        return self.is_token(given)

    def is_token(self, given: str) -> bool:
        """Compared in a time that tells nothing."""
        return hmac.compare_digest(given.encode(), self.token.encode())

    def may_look(self, request: Request) -> bool:
        """Whether the request may see anything."""
        return self.open_to_look or self.holds_token(request)

    def is_addressed_rightly(self, request: Request) -> bool:
        """Whether a loopback console was called by a name of loopback: else a foreign name was pointed at us."""
        return not self.open_to_look or (request.url.hostname or "") in _LOCAL_NAMES

    def may_act(self, request: Request, proof: str) -> bool:
        """Whether a POST is ours: the token, the form's proof (a bearer needs none), and no other site behind it."""
        if not self.holds_token(request) or request.headers.get("sec-fetch-site", "same-origin") not in (
            "same-origin",
            "none",
        ):
            return False
        if "authorization" in request.headers:
            return True
        return hmac.compare_digest(proof.encode(), self.proof.encode())
