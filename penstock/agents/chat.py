"""One chat call to an OpenAI-compatible model over httpx, without a framework.

    settings: { model: gpt-5-mini, instructions: "Answer in one sentence.", input: data.text }

`base_url` and `api_key` default to OPENAI_BASE_URL and OPENAI_API_KEY. `history: true` sends what was said before in
the conversation, and keeps the answer, in `ctx.memory`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import httpx

from penstock.agents.adapter import Adapter
from penstock.agents.question import Question
from penstock.agents.watch import Watch
from penstock.errors import HandlerError
from penstock.provider import ProviderFailed, Trouble

_OPENAI: Final = "https://api.openai.com/v1"
_OPTIONS: Final = ("model", "instructions", "base_url", "api_key", "parameters")


class Chat:
    """See the module. `parameters` are passed on as they are (temperature, response_format ...)."""

    name = "chat"
    builds = True

    async def open(self, agent: Any, options: Mapping[str, Any]) -> None:
        """See Framework."""
        if agent is not None:
            raise HandlerError("penstock.agents.chat takes no settings.agent", "it is one: give it a model")
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise HandlerError(
                f"settings.{unknown[0]} is unknown to penstock.agents.chat", f"it has {', '.join(_OPTIONS)}"
            )
        self._model = str(options.get("model") or os.environ.get("OPENAI_MODEL") or "")
        if not self._model:
            raise HandlerError("no model is named", "settings: { model: ... }, or OPENAI_MODEL")
        base = str(options.get("base_url") or os.environ.get("OPENAI_BASE_URL") or _OPENAI)
        self._url = httpx.URL(f"{base.rstrip('/')}/chat/completions")  # read once, not at each call
        key = options.get("api_key") or os.environ.get("OPENAI_API_KEY")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._instructions = str(options.get("instructions", ""))
        self._parameters = dict(options.get("parameters", {}))

    async def ask(self, question: Question, watch: Watch) -> Any:
        """See Framework. Raises ValueError for an answer that is none."""
        messages = [{"role": "user", "content": question.text}]
        if self._instructions:
            messages.insert(0, {"role": "system", "content": self._instructions})
        response = await question.ctx.http.post(
            self._url,
            json={"model": self._model, "messages": messages, **self._parameters},
            headers={**self._headers, "idempotency-key": question.ctx.run_id},
            timeout=None,
        )
        response.raise_for_status()
        return self._answer(response, watch)

    def _answer(self, response: Any, watch: Watch) -> str:
        try:
            said = response.json()
            choice, usage = said["choices"][0], said.get("usage") or {}
            message = choice["message"]
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError("the model's answer is no chat completion") from error
        watch.model_called(
            said.get("model", self._model),
            tokens_in=usage.get("prompt_tokens"),
            tokens_out=usage.get("completion_tokens"),
        )
        if choice.get("finish_reason") == "content_filter" or message.get("refusal"):
            raise ProviderFailed(Trouble.REFUSED, f"the model refused: {message.get('refusal') or 'content filter'}")
        content = message.get("content")
        if not isinstance(content, str) or not content.strip():
            raise ValueError("the model's answer is empty")
        return content.strip()

    async def close(self) -> None:
        """Nothing is held: the client is the worker's."""


class Agent(Adapter):
    """The handler."""

    framework = Chat


agent = Agent
