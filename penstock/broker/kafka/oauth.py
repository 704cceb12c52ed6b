"""OAUTHBEARER tokens for aiokafka, had as librdkafka has them: the client's credentials shown to a token endpoint.

Settings are librdkafka's: `sasl.oauthbearer.method: oidc` with a token endpoint, client id, secret and scope (RFC
6749, 4.4); or for a broker of tests `enable.sasl.oauthbearer.unsecure.jwt`, and `principal=NAME` in
`sasl.oauthbearer.config`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka.abc import AbstractTokenProvider

from penstock.errors import BrokerError

_TIMEOUT: Final = 10.0  # seconds for the token endpoint
_LIFE: Final = 3600.0  # seconds of a token we make, or of one that does not say
_REFRESH: Final = 0.8  # of its life a token is used, as librdkafka does
_HINT: Final = "look at the sasl.oauthbearer settings"


def token_provider(settings: Mapping[str, str]) -> AbstractTokenProvider:
    """Tokens as the settings say. Raises BrokerError for a way to have them that has no counterpart here."""
    if str(settings.get("enable.sasl.oauthbearer.unsecure.jwt", "false")).lower() == "true":
        said = dict(part.split("=", 1) for part in settings.get("sasl.oauthbearer.config", "").split() if "=" in part)
        return _Tokens(lambda: (_unsecured(said.get("principal", "")), _LIFE))
    url = settings.get("sasl.oauthbearer.token.endpoint.url")
    grant = settings.get("sasl.oauthbearer.grant.type", "client_credentials")
    if settings.get("sasl.oauthbearer.method", "default").lower() != "oidc" or not url or grant != "client_credentials":
        hint = "sasl.oauthbearer.method: oidc, a token endpoint and client credentials; or SCRAM, or mTLS"
        raise BrokerError("this way to have OAUTHBEARER tokens cannot be used for live tails", hint)
    if not url.startswith(("https://", "http://")):
        raise BrokerError("sasl.oauthbearer.token.endpoint.url is no address of the web", _HINT)
    return _Tokens(lambda: _asked(url, settings))


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Keeps a token until most of its life is over."""

    def __init__(self, make: Callable[[], tuple[str, float]]) -> None:
        self._make = make
        self._token = ""
        self._until = 0.0

    async def token(self) -> str:
        """A token that still holds. Raises BrokerError."""
        if time.monotonic() >= self._until:
            self._token, life = await asyncio.to_thread(self._make)
            self._until = time.monotonic() + life * _REFRESH
        return self._token


def _asked(url: str, settings: Mapping[str, str]) -> tuple[str, float]:
    form = {"grant_type": "client_credentials", "scope": settings.get("sasl.oauthbearer.scope", "")}
    names = ("sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret")
    user, secret = (urllib.parse.quote(settings.get(name, ""), safe="") for name in names)
    headers = {"Authorization": f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"}
    body = urllib.parse.urlencode({name: value for name, value in form.items() if value}).encode()
    where = urllib.parse.urlsplit(url).netloc
    context = ssl.create_default_context(cafile=settings.get("https.ca.location") or None)
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - its scheme was looked at
        with urllib.request.urlopen(request, timeout=_TIMEOUT, context=context) as answer:  # noqa: S310
            found = json.load(answer)
        return str(found["access_token"]), float(found.get("expires_in", _LIFE))
    except urllib.error.HTTPError as error:
        error.close()
        raise BrokerError(f"no token for Kafka from {where}: {error.code} {error.reason}", _HINT) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokerError(f"no token for Kafka from {where}: {type(error).__name__}", _HINT) from None


def _unsecured(principal: str) -> str:
    """A token that nobody signed (RFC 7519, 6), which only a broker of tests believes."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": principal, "iat": now, "exp": now + int(_LIFE)})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join((*encoded, ""))
