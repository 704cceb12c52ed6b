"""OmniCoreAgent 0.6 (Python 3.12+, so in its group's own interpreter: `python:`); the conversation is its session.

It returns a failure as a dict, after four tries with pauses. The model's call (LiteLLM) is watched instead: its own
error is what the run gets to hear, at once. What was asked in a failed turn stays in its memory, and is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from penstock.agents.adapter import Adapter, needs
from penstock.agents.question import Question
from penstock.agents.watch import Watch
from penstock.errors import HandlerError


class AgentFailed(RuntimeError):
    """The agent ended with another status than `success`."""


class _Stop(Exception):
    """Raised in place of a model's error: it says nothing that OmniCoreAgent would try again for."""


class _Turn:
    """One turn: what it is watched by, and what the model raised last."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.raised: Exception | None = None


class OmniCore:
    """See the module. The agent brings its own `MemoryRouter`; build it from the settings (redis, sql, mongodb)."""

    name = "omnicore"
    builds = True

    async def open(self, agent: Any, options: Mapping[str, Any]) -> None:
        """See Framework."""
        del options
        if not hasattr(agent, "run") or not hasattr(agent, "cleanup"):
            raise HandlerError(f"the agent is no OmniCoreAgent but {type(agent).__name__}", "settings.agent builds one")
        self._agent = agent
        self._turn: ContextVar[_Turn | None] = ContextVar("omnicore turn", default=None)
        self._litellm = await asyncio.to_thread(needs, "litellm", "omnicore")  # takes seconds
        self._unwatched = self._litellm.acompletion
        self._litellm.acompletion = self._ask_model

    async def _ask_model(self, **parameters: Any) -> Any:
        """Stands for litellm.acompletion in this process, which runs nothing but this agent."""
        turn = self._turn.get()
        if turn is None:  # a call of the agent's own, outside of any run
            return await self._unwatched(**parameters)
        key = object()
        turn.watch.began(key, "model")
        try:
            answered = await self._unwatched(**{**parameters, "max_retries": 0})
        except Exception as error:
            turn.raised = error
            turn.watch.ended(key, error)
            raise _Stop("the model failed; the runtime decides what follows") from error
        turn.watch.ended(key)
        usage = getattr(answered, "usage", None)
        message = answered.choices[0].message if getattr(answered, "choices", None) else None
        turn.watch.model_called(
            str(getattr(answered, "model", "") or parameters.get("model", "")),
            tokens_in=getattr(usage, "prompt_tokens", 0),
            tokens_out=getattr(usage, "completion_tokens", 0),
            cost=(getattr(answered, "_hidden_params", None) or {}).get("response_cost") or None,
            tool_calls=len(getattr(message, "tool_calls", None) or ()),
        )
        return answered

    async def ask(self, question: Question, watch: Watch) -> Any:
        """See Framework. Raises what the model raised, AgentFailed for any other end but success."""
        turn = _Turn(watch)
        self._turn.set(turn)
        result = await self._agent.run(question.text, session_id=question.conversation)
        if result.get("status") != "success":
            if turn.raised is not None:
                raise turn.raised
            why = result.get("termination_reason") or result.get("response")
            raise AgentFailed(f"the agent ended as {result.get('status')}: {why}"[:500])
        return result.get("response")

    async def close(self) -> None:
        """Let the agent go, and LiteLLM be as it was."""
        self._litellm.acompletion = self._unwatched
        await self._agent.cleanup()


class Agent(Adapter):
    """The handler."""

    framework = OmniCore


agent = Agent
