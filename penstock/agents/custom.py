"""Any function or object of one's own: called with the text, or with the text and the Question behind it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from penstock.agents.adapter import Adapter
from penstock.agents.question import Question
from penstock.agents.watch import Watch
from penstock.errors import HandlerError


class Custom:
    """See the module. `settings.agent` names an `async def`, a class to be made without arguments, or an object."""

    name = "agent"
    builds = False  # the function is the agent, and not what makes one

    async def open(self, agent: Any, options: Mapping[str, Any]) -> None:
        """See Framework."""
        del options
        self._agent: Any = agent() if inspect.isclass(agent) else agent
        called: Any = self._agent if inspect.isroutine(self._agent) else type(self._agent).__call__
        if not inspect.iscoroutinefunction(called):
            raise HandlerError(
                "the agent is no async function, nor an object with an async __call__",
                "a plain function is a handler by itself: name it under `handler`, and it runs on a thread",
            )
        self._two = len(inspect.signature(called).parameters) > (1 if inspect.isfunction(self._agent) else 2)

    async def ask(self, question: Question, watch: Watch) -> Any:
        """See Framework. What it used it tells itself: `question.ctx.usage`."""
        del watch
        return await (self._agent(question.text, question) if self._two else self._agent(question.text))

    async def close(self) -> None:
        """Close the object, where it can be."""
        closing = getattr(self._agent, "close", None)
        if closing is not None and inspect.isawaitable(ended := closing()):
            await ended


class Agent(Adapter):
    """The handler."""

    framework = Custom


agent = Agent
