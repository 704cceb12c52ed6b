"""What a provider's failure means (a model API, any HTTP service): one place where errors of all clients are read.

| the provider | trouble | the run |
|---|---|---|
| 429, 529, 503 with Retry-After | OVERLOADED | deferred by the provider's own delay |
| no connection, no answer in time, 408, 5xx | DOWN | tried again; free of charge while nobody is answered |
| 401, 402, 403, no such model, no quota left | DENIED | deferred, and nothing more is taken: no event is to blame |
| context too long, content refused, 413 | REFUSED | to the dead letter topic: the same words would be refused again |

Clients are told apart by what their errors carry (a status, a response, a code, their class's name), so none of them
is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from penstock.errors import PenstockError


class Trouble(Enum):
    """The kinds of failure that differ in what follows; see the table of this module."""

    OVERLOADED = "overloaded"
    DOWN = "down"
    DENIED = "denied"
    REFUSED = "refused"


class ProviderFailed(PenstockError):
    """A provider did not do its part. `after`: seconds it asks to be left alone, None where it names none."""

    def __init__(self, trouble: Trouble, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.after = after


_BY_NAME: Final = MappingProxyType(
    {
        "RateLimitError": Trouble.OVERLOADED,
        "OverloadedError": Trouble.OVERLOADED,
        "ModelRateLimitError": Trouble.OVERLOADED,
        "APIConnectionError": Trouble.DOWN,
        "APITimeoutError": Trouble.DOWN,
        "InternalServerError": Trouble.DOWN,
        "ServiceUnavailableError": Trouble.DOWN,
        "TransportError": Trouble.DOWN,
        "ClientConnectionError": Trouble.DOWN,
        "ServerTimeoutError": Trouble.DOWN,
        "AuthenticationError": Trouble.DENIED,
        "ModelAuthenticationError": Trouble.DENIED,
        "PermissionDeniedError": Trouble.DENIED,
        "ContextWindowExceededError": Trouble.REFUSED,
        "ContextOverflowError": Trouble.REFUSED,
        "ContentPolicyViolationError": Trouble.REFUSED,
        "ContentFilterFinishReasonError": Trouble.REFUSED,
    }
)
_QUOTA: Final = ("insufficient_quota", "exceeded your current quota", "credit balance", "billing")
_REFUSALS: Final = (
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "prompt is too long",
    "input is too long",
    "content_filter",
    "content filter",
    "content_policy",
    "content policy",
    "content management policy",
)
_MOST_CAUSES: Final = 8


def provider_failure(error: BaseException) -> ProviderFailed | None:
    """What `error`, or what caused it, says of a provider; None where it says nothing of the kind."""
    found: ProviderFailed | None = None
    for one in _causes(error):
        read = one if isinstance(one, ProviderFailed) else _read(one)
        found = found or read
        if found is not None and found.after is None and read is not None and read.after is not None:
            found.after = read.after  # frameworks keep the status and lose the headers: what they wrap still has them
    return found


def failure_of_status(status: int, message: str, headers: Mapping[str, str] | None = None) -> ProviderFailed | None:
    """What an HTTP status with its message means; None where it is an ordinary failure (a 400 of our own making)."""
    after = _retry_after(headers or {})
    trouble = _trouble_of_status(status, message.lower(), named=after is not None)
    return None if trouble is None else ProviderFailed(trouble, f"{status} {message}"[:500], after=after)


def _trouble_of_status(status: int, message: str, *, named: bool) -> Trouble | None:
    if status in {401, 402, 403} or (status == 429 and any(word in message for word in _QUOTA)):
        return Trouble.DENIED
    if status == 404 and "model" in message:
        return Trouble.DENIED
    if status in {429, 529} or (status == 503 and named):
        return Trouble.OVERLOADED
    if status == 408 or status >= 500:
        return Trouble.DOWN
    if status == 413 or (status in {400, 422} and any(word in message for word in _REFUSALS)):
        return Trouble.REFUSED
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, then what it was raised from, or the first of a group; each once."""
    current: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if current is None:
            return
        yield current
        if isinstance(current, BaseExceptionGroup):
            current = current.exceptions[0]
        else:
            current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _read(error: BaseException) -> ProviderFailed | None:
    response = getattr(error, "response", None)
    message = _message(error, response)
    names = [kind.__name__ for kind in type(error).__mro__]
    by_name = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
    status = _status(error, response)
    if by_name is not Trouble.REFUSED and status is not None:
        found = failure_of_status(status, message, _headers(response))
        if found is not None or by_name is None:
            return found
    if by_name is not None:
        return ProviderFailed(by_name, message[:500], after=_retry_after(_headers(response)))
    if isinstance(error, TimeoutError | ConnectionError):
        return ProviderFailed(Trouble.DOWN, message[:500])
    return None


def _status(error: BaseException, response: Any) -> int | None:
    """`status_code` (OpenAI, LiteLLM, Anthropic, Agno), `code` (Google), or the response's own (httpx)."""
    for found in (
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        getattr(response, "status_code", None),
    ):
        if isinstance(found, int) and 100 <= found <= 599:
            return found
    return None


def _message(error: BaseException, response: Any) -> str:
    """Type, code and words; the body too, where the error does not quote it (httpx)."""
    code = getattr(error, "code", None)
    words = f"{type(error).__name__}: {error}" + (f" [{code}]" if isinstance(code, str) else "")
    if type(error).__name__ == "HTTPStatusError":
        try:
            words += f" {response.text[:300]}"
        except Exception as unread:  # noqa: BLE001 - a body that was streamed and not read: its status says enough
            words += f" ({type(unread).__name__})"
    return words


def _headers(response: Any) -> Mapping[str, str]:
    headers = getattr(response, "headers", None)
    return headers if isinstance(headers, Mapping) else {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds named by Retry-After, a number or an HTTP date, or by retry-after-ms; None where nothing is named."""
    try:
        if (millis := headers.get("retry-after-ms")) is not None:
            return max(float(millis) / 1000, 0.0)
        said = headers.get("retry-after")
        if said is None:
            return None
        try:
            return max(float(said), 0.0)
        except ValueError:
            return max((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
