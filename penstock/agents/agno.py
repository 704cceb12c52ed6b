"""Agno: an `Agent` (or `Team`); the conversation is its session, kept where the agent has a `db`.

Agno returns a failure as a result with status ERROR and the error's text. The text says too little (no status, no
Retry-After), so the model's own call is watched, and what it raised there is what the run gets to hear.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from penstock.agents.adapter import Adapter
from penstock.agents.question import Question
from penstock.agents.watch import Watch
from penstock.errors import HandlerError


class AgentFailed(RuntimeError):
    """The agent ended with another status than COMPLETED."""


class _Turn:
    """One turn: what it is watched by, and what the model raised last."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.raised: Exception | None = None


class Agno:
    """See the module. Retries of agent and model are switched off: the runtime's own come after a delay."""

    name = "agno"
    builds = True

    async def open(self, agent: Any, options: Mapping[str, Any]) -> None:
        """See Framework."""
        if not hasattr(agent, "arun"):
            raise HandlerError(f"the agent is no agno Agent but {type(agent).__name__}", "settings.agent builds one")
        self._agent = agent
        self._options = dict(options)
        self._turn: ContextVar[_Turn] = ContextVar("agno turn")
        for one in (agent, *(getattr(agent, "members", None) or ())):
            one.retries = 0
            if getattr(one, "model", None) is not None:
                self._watch_model(one.model)

    def _watch_model(self, model: Any) -> None:
        model.retries = 0
        if hasattr(model, "max_retries"):
            model.max_retries = 0
        ask_model = model.ainvoke

        async def watched(*args: Any, **kwargs: Any) -> Any:
            turn = self._turn.get()
            key = object()
            turn.watch.began(key, "model")
            try:
                answered = await ask_model(*args, **kwargs)
            except Exception as error:
                turn.raised = error
                turn.watch.ended(key, error)
                raise
            turn.watch.ended(key)
            used = getattr(answered, "response_usage", None)
            turn.watch.model_called(
                model.id,
                tokens_in=getattr(used, "input_tokens", 0),
                tokens_out=getattr(used, "output_tokens", 0),
                cost=getattr(used, "cost", None),
                tool_calls=len(getattr(answered, "tool_calls", None) or ()),
            )
            return answered

        model.ainvoke = watched

    async def ask(self, question: Question, watch: Watch) -> Any:
        """See Framework. Raises what the model raised, AgentFailed for any other end but COMPLETED."""
        turn = _Turn(watch)
        self._turn.set(turn)
        tenant = question.event.tenant
        result = await self._agent.arun(
            question.text, session_id=question.conversation, **({"user_id": tenant} if tenant else {}), **self._options
        )
        status = getattr(result.status, "value", result.status)
        if status != "COMPLETED":
            if turn.raised is not None and status == "ERROR":
                raise turn.raised
            raise AgentFailed(f"the agent ended as {status}: {result.content}"[:500])
        content = result.content
        return content.model_dump() if hasattr(content, "model_dump") else content

    async def close(self) -> None:
        """Nothing is held."""


class Agent(Adapter):
    """The handler."""

    framework = Agno


agent = Agent
