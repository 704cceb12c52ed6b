"""An OmniDaemon callback as OmniDaemon runs it: a dict in, anything JSON-able out."""

from __future__ import annotations

import os
from typing import Any

import httpx

INSTRUCTIONS = "You are the support desk of a bank. Answer in one sentence."


async def callback(message: dict[str, Any]) -> dict[str, Any]:
    """Answer the content of the task."""
    content = message["content"]
    text = content["text"] if isinstance(content, dict) else content
    messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text}]
    body = {"model": os.environ.get("OPENAI_MODEL", "gpt-5-mini"), "messages": messages}
    async with httpx.AsyncClient(timeout=None) as client:  # noqa: S113 - the run has its deadline
        response = await client.post(f"{os.environ['OPENAI_BASE_URL']}/chat/completions", json=body)
    response.raise_for_status()
    return {"answer": response.json()["choices"][0]["message"]["content"], "tenant": message["tenant_id"]}
