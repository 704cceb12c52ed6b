"""The support desk as a function of one's own: any code that is awaited with the text and the question behind it."""

from __future__ import annotations

import os
from typing import Any

INSTRUCTIONS = "You are the support desk of a bank. Answer in one sentence."


async def answer(text: str, question: Any) -> dict[str, Any]:
    """Ask the model over the worker's HTTP client. A status that is no success is read by the runtime."""
    ctx = question.ctx
    model = ctx.settings["model"]
    messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text}]
    async with ctx.step("model"):
        response = await ctx.http.post(
            f"{os.environ['OPENAI_BASE_URL']}/chat/completions", json={"model": model, "messages": messages}
        )
        response.raise_for_status()
        said = response.json()
    used = said["usage"]
    ctx.usage.add(model, tokens_in=used["prompt_tokens"], tokens_out=used["completion_tokens"])
    return {"output": said["choices"][0]["message"]["content"]}
