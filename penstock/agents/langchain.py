"""LangChain and LangGraph: a `create_agent` graph, any other compiled graph, or any Runnable.

A graph gets the conversation as its `thread_id`, so a checkpointer keeps it. Build the model with `max_retries=0`:
the runtime tries again, and two loops would multiply.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.agents.adapter import Adapter, needs
from penstock.agents.question import Question
from penstock.agents.watch import Watch
from penstock.errors import HandlerError


class LangChain:
    """See the module. Option `recursion_limit`: model and tool steps in one turn (the framework's own default: 25)."""

    name = "langchain"
    builds = True

    async def open(self, agent: Any, options: Mapping[str, Any]) -> None:
        """See Framework."""
        if not hasattr(agent, "ainvoke"):
            raise HandlerError(f"the agent is no Runnable but {type(agent).__name__}", "settings.agent builds one")
        self._agent = agent
        self._is_graph = hasattr(agent, "get_graph") and hasattr(agent, "checkpointer")
        self._config = {"recursion_limit": options["recursion_limit"]} if "recursion_limit" in options else {}
        self._watching = _watching(needs("langchain_core.callbacks", "langchain").AsyncCallbackHandler)

    async def ask(self, question: Question, watch: Watch) -> Any:
        """See Framework."""
        config = {
            **self._config,
            "callbacks": [self._watching(watch)],
            "configurable": {"thread_id": question.conversation},
            "metadata": {"run_id": question.ctx.run_id},
        }
        if not self._is_graph:
            return _output(await self._agent.ainvoke(question.text, config))
        asked = {"messages": [{"role": "user", "content": question.text, "id": question.ctx.run_id}]}
        return _output(await self._agent.ainvoke(asked, config))

    async def close(self) -> None:
        """Nothing is held."""


def _output(result: Any) -> Any:
    """A structured response, the last message's text, or what the Runnable gave."""
    if isinstance(result, Mapping):
        structured = result.get("structured_response")
        if structured is not None:
            return structured.model_dump() if hasattr(structured, "model_dump") else structured
        if result.get("messages"):
            return _output(result["messages"][-1])
        return dict(result)
    text = getattr(result, "text", None)
    return text if isinstance(text, str) else text() if callable(text) else result


def _watching(base: type) -> Any:
    """A callback handler class, made once the framework is there to derive from."""

    class Watching(base):  # type: ignore[misc]
        """Tells model calls and tools to a Watch."""

        raise_error = True

        def __init__(self, watch: Watch) -> None:
            super().__init__()
            self._watch = watch

        async def on_chat_model_start(self, _serialized: Any, _messages: Any, *, run_id: Any, **_: Any) -> None:
            self._watch.began(run_id, "model")

        async def on_llm_start(self, _serialized: Any, _prompts: Any, *, run_id: Any, **_: Any) -> None:
            self._watch.began(run_id, "model")

        async def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
            self._watch.ended(run_id)
            for given in response.generations:
                message = getattr(given[0], "message", None)
                usage = getattr(message, "usage_metadata", None) or {}
                self._watch.model_called(
                    (getattr(message, "response_metadata", None) or {}).get("model_name", ""),
                    tokens_in=usage.get("input_tokens", 0),
                    tokens_out=usage.get("output_tokens", 0),
                    tool_calls=len(getattr(message, "tool_calls", ())),
                )

        async def on_llm_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
            self._watch.ended(run_id, error)

        async def on_tool_start(self, serialized: Any, _input: Any, *, run_id: Any, **_: Any) -> None:
            self._watch.began(run_id, f"tool {(serialized or {}).get('name', '')}".strip())

        async def on_tool_end(self, _output: Any, *, run_id: Any, **_: Any) -> None:
            self._watch.ended(run_id)

        async def on_tool_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
            self._watch.ended(run_id, error)

    return Watching


class Agent(Adapter):
    """The handler."""

    framework = LangChain


agent = Agent
