"""One event, one request: signed by Standard Webhooks, its id the same at every attempt, its answer obeyed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import orjson

from penstock.connectors import signature
from penstock.contracts import Sink
from penstock.errors import PenstockError
from penstock.event import AnyEvent
from penstock.signals import Defer, Reject
from penstock.topology.http_options import HttpSinkOptions
from penstock.topology.template import NotThere, fill, is_selector, select

if TYPE_CHECKING:
    import httpx

    from penstock.context import Context

_BUSY: Final = (429, 503)
_PASSING: Final = (408, 425)  # 4xx that say so themselves: too slow, too early
_DEFER: Final = 30.0  # seconds, where a busy receiver names no time
_LONGEST: Final = 86400.0
_MOST_HOPS: Final = 3
_READ: Final = 1 << 16  # bytes of an answer that are read, so that its connection can be used again


class NotDelivered(PenstockError):
    """The receiver, or the way to it, failed in a passing way."""


class HttpSink(Sink):
    """contracts.Sink. 2xx is delivered; 429 and 503 defer; other 4xx and redirects reject; all else is tried again."""

    Options = HttpSinkOptions

    def __init__(
        self,
        options: HttpSinkOptions,
        client: httpx.AsyncClient | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`client` is for tests; it is used without a check of addresses."""
        self._options = options
        self._client = client
        self._now = now

    async def setup(self) -> None:
        """Make the client; use the secrets once. Raises PenstockError for one that cannot be used."""
        from penstock.connectors.http_sink.addresses import client

        if self._options.signing_secret is not None:
            signature.standard(self._options.signing_secret.reveal(), "", 0, b"")
        for secret in self._options.secret_headers.values():
            secret.reveal()
        if self._client is None:
            self._client = client(self._options.private_hosts)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def __call__(self, event: AnyEvent, ctx: Context, /) -> None:
        """Deliver. Raises Defer, Reject, or NotDelivered for a failed attempt."""
        import httpx

        from penstock.connectors.http_sink.addresses import PrivateAddress

        try:
            request = self._request(event, ctx.run_id)
            status, headers, text = await self._send(request)
        except (NotThere, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Reject(f"no request can be made: {error}") from error
        except PrivateAddress as error:
            raise Reject(str(error)) from error
        except httpx.TransportError as error:
            raise NotDelivered(f"no answer from {_place(request)}: {type(error).__name__} {error}") from error
        self._obey(request, status, headers, text)

    def _request(self, event: AnyEvent, run_id: str) -> httpx.Request:
        """The request. Raises NotThere, httpx.InvalidURL, httpx.UnsupportedProtocol."""
        import httpx

        assert self._client is not None
        url = httpx.URL(fill(self._options.url, event, lambda text: quote(text, safe="")))
        if url.scheme not in {"http", "https"} or not url.host:
            raise httpx.UnsupportedProtocol("a URL begins with https:// or http:// and names a host")
        content, content_type = self._body(event)
        headers = {
            **{f"ce-{name}": _encoded(value) for name, value in _attributes(event).items() if value},
            "content-type": content_type,
            **{name: fill(value, event) for name, value in self._options.headers.items()},
            **{name: secret.reveal() for name, secret in self._options.secret_headers.items()},
            "idempotency-key": run_id,
            **self._signed(run_id, content),
        }
        return self._client.build_request(self._options.method, url, content=content, headers=headers)

    def _body(self, event: AnyEvent) -> tuple[bytes, str]:
        template = self._options.body
        data = event.data if template is None else None
        if template is not None and not is_selector(template):
            return fill(template, event, _json_inside).encode(), "application/json"
        if template is not None:
            data = select(template, event)
        if isinstance(data, bytes):
            return data, "application/octet-stream"
        return orjson.dumps(data, default=str), "application/json"

    def _signed(self, run_id: str, content: bytes) -> dict[str, str]:
        at = int(self._now())
        headers = {signature.ID: run_id, signature.TIMESTAMP: str(at)}
        if self._options.signing_secret is not None:
            secret = self._options.signing_secret.reveal()
            headers[signature.SIGNATURE] = signature.standard(secret, run_id, at, content)
        return headers

    async def _send(self, request: httpx.Request) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and the beginning of the answer; redirects within the host followed where allowed."""
        assert self._client is not None
        for _ in range(_MOST_HOPS):
            response = await self._client.send(request, stream=True)
            try:
                text = await _beginning(response)
            finally:
                await response.aclose()
            following = response.next_request
            if following is None or not self._may_follow(response.status_code, request, following):
                return response.status_code, response.headers, text
            request = following
        raise NotDelivered(f"{_place(request)} redirects more than {_MOST_HOPS} times")

    def _may_follow(self, status: int, request: httpx.Request, following: httpx.Request) -> bool:
        """307 and 308 keep the method; another host would get our secrets."""
        here, there = request.url, following.url
        same = (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
        return self._options.follow_redirects and same and status in {307, 308}

    def _obey(self, request: httpx.Request, status: int, headers: Mapping[str, str], text: str) -> None:
        if 200 <= status < 300:
            return
        said = f"{_place(request)} answered {status}{f': {text}' if text else ''}"
        if status in _BUSY:
            raise Defer(said, after=self._after(headers.get("retry-after", "")))
        if status in _PASSING or status >= 500:
            raise NotDelivered(said)
        raise Reject(said)

    def _after(self, said: str) -> float:
        """Seconds of a Retry-After, which may be a date; at least 1, at most a day."""
        wanted = _DEFER
        if said.isascii() and said.isdigit():
            wanted = float(said[:9])
        elif said:
            try:
                at = parsedate_to_datetime(said)
            except ValueError:
                return wanted
            wanted = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - self._now()
        return min(max(wanted, 1.0), _LONGEST)


def _attributes(event: AnyEvent) -> dict[str, str | None]:
    moment: datetime = event.time
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type or "event",
        "subject": event.subject,
        "time": moment.isoformat().replace("+00:00", "Z"),
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
        "tenantid": event.tenant,
    }


def _encoded(value: str) -> str:
    return quote(value, safe="!#$&'()*+,/:;=?@[]^`{|}~<>\\")


def _json_inside(text: str) -> str:
    """A text as it may stand between the quotes of a JSON text."""
    return orjson.dumps(text).decode()[1:-1]


def _place(request: httpx.Request) -> str:
    """Where it went, without what may be secret: path and query of a URL often are."""
    return f"{request.url.scheme}://{request.url.netloc.decode(errors='replace').rpartition('@')[2]}"


async def _beginning(response: httpx.Response) -> str:
    """The first characters of an answer, on one line."""
    read = b""
    async for part in response.aiter_bytes():
        read += part
        if len(read) > _READ:
            break
    return " ".join(read[:200].decode(errors="replace").split())
