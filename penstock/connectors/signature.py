"""Signatures of webhooks: the Standard Webhooks scheme, and the plain HMAC of a code host. Compared in constant time.

Standard Webhooks 1.0: HMAC-SHA256 over `<id>.<timestamp>.<body>`, base64, `v1,` before it; several may stand in the
header, a space between, while a secret is exchanged. The secret is base64 behind `whsec_`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from penstock.errors import PenstockError

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
_VERSION: Final = "v1,"
_PREFIX: Final = "whsec_"


def standard(secret: str, id_: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. Raises PenstockError for a secret that is none of this scheme."""
    signed = b".".join((id_.encode(), str(timestamp).encode(), body))
    digest = hmac.digest(_key(secret), signed, hashlib.sha256)
    return f"{_VERSION}{base64.b64encode(digest).decode()}"


def standard_matches(secret: str, id_: str, timestamp: int, body: bytes, said: str) -> bool:
    """Whether one of the signatures in the header is right. The age of `timestamp` is the caller's to judge."""
    wanted = standard(secret, id_, timestamp, body).encode()
    offered = [hmac.compare_digest(wanted, one.encode(errors="replace")) for one in said.split()]
    return any(offered)


def plain_matches(secret: str, body: bytes, said: str) -> bool:
    """Whether `said` is the hexadecimal HMAC-SHA256 of the body, `sha256=` before it or not."""
    wanted = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return hmac.compare_digest(wanted.encode(), said.removeprefix("sha256=").lower().encode(errors="replace"))


def _key(secret: str) -> bytes:
    try:
        found = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) < 16:
        raise PenstockError(
            "the signing secret is none of Standard Webhooks", "it is whsec_ and base64 of 24 to 64 random bytes"
        )
    return found
