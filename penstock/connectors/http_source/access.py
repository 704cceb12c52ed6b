"""Who may post, and who may ask for a result: bearer tokens and signatures. Every comparison takes the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from penstock.connectors import signature
from penstock.connectors.http_source.refusal import Refused
from penstock.secret import Secret

_OLDEST: Final = 300.0  # seconds a signed timestamp may be away, either way (Standard Webhooks)
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """Who it is: the name of the token, '' for a signature or where nothing is asked for; and the signed message id."""

    name: str = ""
    message_id: str | None = None


class Access:
    """The rules of one gateway. Without tokens and signature everybody may do everything."""

    def __init__(
        self,
        tokens: Mapping[str, Secret],
        signing: Mapping[str, Secret],
        header: str | None,
        now: Callable[[], float],
    ) -> None:
        """`signing` secrets by name, all of them good; `header` None: the Standard Webhooks scheme."""
        self._tokens = tokens
        self._signing = signing
        self._header = header.lower() if header else None
        self._now = now

    def check_secrets(self) -> None:
        """Use every secret once. Raises PenstockError for a file that cannot be read, or a key of a wrong form."""
        for token in self._tokens.values():
            token.reveal()
        for secret in self._signing.values():
            if self._header is None:
                signature.standard(secret.reveal(), "", 0, b"")
            else:
                secret.reveal()

    def before_body(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller, as far as headers say it; None: the signature must be checked, with the body. Raises Refused."""
        if not self._tokens and not self._signing:
            return Caller()
        said = headers.get("authorization", "")
        if self._tokens and said[: len(_BEARER)].lower() == _BEARER:
            return self._bearer(said[len(_BEARER) :].strip())
        if self._signing and (self._header or signature.SIGNATURE) in headers:
            return None
        raise Refused(401, self._wanted())

    def after_body(self, headers: Mapping[str, str], body: bytes) -> Caller:
        """The signature's verdict. Raises Refused."""
        secrets = [secret.reveal() for secret in self._signing.values()]
        if self._header is not None:
            right = [signature.plain_matches(secret, body, headers[self._header]) for secret in secrets]
            message_id = None
        else:
            message_id, at = headers.get(signature.ID, ""), headers.get(signature.TIMESTAMP, "")
            if not message_id or not at.isascii() or not at.isdigit() or len(at) > 12:
                raise Refused(401, f"a signature comes with {signature.ID} and {signature.TIMESTAMP}")
            if abs(self._now() - int(at)) > _OLDEST:
                raise Refused(401, f"{signature.TIMESTAMP} is more than {_OLDEST / 60:g} minutes away from now")
            said = headers[signature.SIGNATURE]
            right = [signature.standard_matches(secret, message_id, int(at), body, said) for secret in secrets]
        if not any(right):
            raise Refused(401, "the signature is not that of the body")
        return Caller(message_id=message_id)

    def _bearer(self, said: str) -> Caller:
        found = [name for name, token in self._tokens.items() if token.matches(said)]
        if not found:
            raise Refused(401, "the token is not known here")
        return Caller(found[0])

    def _wanted(self) -> str:
        ways = []
        if self._tokens:
            ways.append("Authorization: Bearer <token>")
        if self._signing:
            ways.append(f"a signature in {self._header or signature.SIGNATURE}")
        return f"send {' or '.join(ways)}"
