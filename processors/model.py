"""One chat call to an OpenAI-compatible model, and what each way it can fail means for a run.

| the model server | the run |
|---|---|
| 429 | deferred by its Retry-After: no attempt is spent, the ticket is not to blame |
| 5xx, no connection | a failed attempt: comes back through the retry topics |
| 200, but not an answer | a failed attempt: asked again, a model may do better |
| 400, 413, 422, a refusal | rejected: the same words would be refused again; to the dead letter topic at once |
| anything else (401, 404 ...) | a failed attempt; someone must set it right, then `penstock dlt replay` |

Set by OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL. There is no timeout here: the processor's own ends the attempt.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from penstock import Context, Defer, Reject

PATIENCE = 15.0  # seconds to stay away after a 429 that names no time


class ModelFailed(RuntimeError):
    """The model server did not do its part; the ticket may be fine."""


def configured() -> bool:
    """Is there a model to ask? Without one the desk works by its rules."""
    return bool(os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"))


def name() -> str:
    """The model that is asked."""
    return os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"


async def ask(ctx: Context, instructions: str, text: str) -> str:
    """The model's answer to `text` under `instructions`. Fails as the table above says; ValueError: not an answer."""
    url = (os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1").rstrip("/") + "/chat/completions"
    key = os.environ.get("OPENAI_API_KEY")
    messages = [{"role": "system", "content": instructions}, {"role": "user", "content": text}]
    response = await ctx.http.post(
        url,
        json={"model": name(), "temperature": 0, "messages": messages},
        headers={"authorization": f"Bearer {key}"} if key else {},
        timeout=None,
    )
    _check(response)
    return _content(response)


def _check(response: httpx.Response) -> None:
    """Raise what the status means for the run; 200 means nothing yet."""
    status = response.status_code
    if status == 429:
        raise Defer("the model is busy", after=_retry_after(response))
    if status in {400, 413, 422}:
        raise Reject(f"the model refused the ticket: {status} {_reason(response)}")
    if status != 200:
        raise ModelFailed(f"the model server answered {status}")


def _reason(response: httpx.Response) -> str:
    """What the server says about its refusal, in its own words."""
    try:
        return str(response.json()["error"]["message"])[:200]
    except (ValueError, LookupError, TypeError):
        return response.text[:200]


def _content(response: httpx.Response) -> str:
    """The text of the answer. Raises ValueError where there is none, Reject where the model refused."""
    try:
        choice: dict[str, Any] = response.json()["choices"][0]
        message: dict[str, Any] = choice["message"]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError("the model's answer is no chat completion") from error
    if choice.get("finish_reason") == "content_filter" or message.get("refusal"):
        raise Reject(f"the model refused the ticket: {message.get('refusal') or 'content filter'}")
    content = message.get("content")
    if not isinstance(content, str) or not content.strip():
        raise ValueError("the model's answer is empty")
    return content.strip()


def _retry_after(response: httpx.Response) -> float:
    """Seconds named by Retry-After, which may be a number or a date; at least one."""
    said = response.headers.get("retry-after", "")
    try:
        return max(1.0, float(said))
    except ValueError:
        pass
    try:
        return max(1.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return PATIENCE
