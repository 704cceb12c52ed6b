"""What errors of clients mean: read from what they carry, through whatever wraps them."""

from __future__ import annotations

import httpx
import pytest

from penstock.provider import ProviderFailed, Trouble, provider_failure


def http(status: int, body: str = "", **headers: str) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://model/v1")
    response = httpx.Response(status, text=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return httpx.HTTPStatusError(f"{status} for url", request=request, response=response)


@pytest.mark.parametrize(
    ("error", "trouble", "after"),
    [
        (http(429), Trouble.OVERLOADED, None),
        (http(429, retry_after="12"), Trouble.OVERLOADED, 12.0),
        (http(429, retry_after_ms="1500"), Trouble.OVERLOADED, 1.5),
        (http(429, '{"error": {"code": "insufficient_quota"}}'), Trouble.DENIED, None),
        (http(503), Trouble.DOWN, None),
        (http(503, retry_after="3"), Trouble.OVERLOADED, 3.0),
        (http(500), Trouble.DOWN, None),
        (http(401), Trouble.DENIED, None),
        (http(404, "the model gpt-9 does not exist"), Trouble.DENIED, None),
        (http(400, "context_length_exceeded"), Trouble.REFUSED, None),
        (http(422, "content filter: not allowed"), Trouble.REFUSED, None),
        (http(413), Trouble.REFUSED, None),
        (httpx.ReadTimeout("slow"), Trouble.DOWN, None),
        (httpx.ConnectError("refused"), Trouble.DOWN, None),
        (TimeoutError(), Trouble.DOWN, None),
        (ConnectionResetError(), Trouble.DOWN, None),
    ],
)
def test_trouble_is_read_from_the_error(error, trouble, after):
    found = provider_failure(error)

    assert found is not None
    assert (found.trouble, found.after) == (trouble, after)


@pytest.mark.parametrize(
    "error", [http(400, "unknown field"), http(404, "no such customer"), ValueError("x"), KeyError()]
)
def test_what_is_no_provider_failure_stays_the_handlers_own(error):
    assert provider_failure(error) is None


def test_causes_and_groups_are_looked_through():
    wrapped = RuntimeError("the agent failed")
    wrapped.__cause__ = ValueError("no answer")
    wrapped.__cause__.__context__ = http(429, retry_after="9")

    assert provider_failure(wrapped).after == 9.0  # type: ignore[union-attr]
    assert provider_failure(ExceptionGroup("tasks", [http(500)])).trouble is Trouble.DOWN  # type: ignore[union-attr]
    ours = ProviderFailed(Trouble.DENIED, "no key")
    assert provider_failure(ours) is ours
