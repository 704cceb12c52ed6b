"""Google ADK (with LiteLLM or any of its models): one runner per worker, a session per conversation.

`settings.agent` builds an agent, or a `Runner` with a session service of its own; with an agent alone sessions are
kept in memory, and end with the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from penstock.agents.adapter import Adapter, needs
from penstock.agents.question import Question
from penstock.agents.watch import Watch
from penstock.errors import HandlerError
from penstock.provider import failure_of_status

_USER: Final = "penstock"  # where the event names no tenant


class AgentFailed(RuntimeError):
    """The agent ended with an error of its own."""


class Adk:
    """See the module. Option `app_name` (default: the agent's name)."""

    name = "adk"
    builds = True

    async def open(self, agent: Any, options: Mapping[str, Any]) -> None:
        """See Framework."""
        runners = needs("google.adk.runners", "adk")
        if isinstance(agent, runners.Runner):
            self._runner = agent
        elif hasattr(agent, "run_async") and hasattr(agent, "sub_agents"):
            app_name = str(options.get("app_name", agent.name))
            self._runner = runners.InMemoryRunner(agent=agent, app_name=app_name)
        else:
            raise HandlerError(
                f"the agent is no ADK agent or Runner but {type(agent).__name__}", "settings.agent builds one"
            )
        if find_spec("litellm") is not None:  # it is imported at the first call else, and takes seconds
            await asyncio.to_thread(import_module, "litellm")
        self._types = needs("google.genai.types", "adk")
        self._app = self._runner.app_name
        for one in _tree(self._runner.agent):
            _no_retries(getattr(one, "model", None))

    async def ask(self, question: Question, watch: Watch) -> Any:
        """See Framework. Raises what the model's client raises; AgentFailed where an event carries an error."""
        user = question.event.tenant or _USER
        place = {"user_id": user, "session_id": question.conversation}
        known = {event.invocation_id for event in await self._events(place)}
        message = self._types.Content(role="user", parts=[self._types.Part(text=question.text)])
        said, failed, steps = "", None, _Steps(watch)
        steps.model_begins()
        events = self._runner.run_async(**place, new_message=message)
        try:
            async for event in events:
                steps.saw(event)
                if event.error_code:
                    failed = event  # the client's own error, which knows more, is mostly raised next
                elif event.is_final_response() and event.content:
                    said = "".join(part.text or "" for part in event.content.parts or ())
        except BaseException as error:
            steps.failed(error)
            await events.aclose()
            await self._take_back(place, known)
            raise
        if failed is not None:
            raise _failure(failed)
        return said

    async def _events(self, place: Mapping[str, str]) -> Sequence[Any]:
        """What was said before; a conversation's second event finds the session of the first."""
        service = self._runner.session_service
        found = await service.get_session(app_name=self._app, **place)
        if found is None:
            found = await service.create_session(app_name=self._app, **place)
        return tuple(found.events)

    async def _take_back(self, place: Mapping[str, str], known: Collection[str]) -> None:
        """A failed turn leaves no word behind: the next attempt would say the same a second time."""
        added = [event.invocation_id for event in await self._events(place) if event.invocation_id not in known]
        if added:
            await self._runner.rewind_async(**place, rewind_before_invocation_id=added[0])

    async def close(self) -> None:
        """Close the runner and its toolsets."""
        await self._runner.close()


class _Steps:
    """Model and tool steps, read from the stream of events."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._tools: set[str] = set()

    def model_begins(self) -> None:
        """The agent asks its model."""
        self._watch.began("model", "model")

    def saw(self, event: Any) -> None:
        """An event came: a model's answer, a tool that is called, a tool's result."""
        calls, results = event.get_function_calls(), event.get_function_responses()
        if results:
            for result in results:
                self._watch.ended(result.id)
                self._tools.discard(result.id)
            if not self._tools:
                self.model_begins()
            return
        if event.partial:
            return
        self._watch.ended("model")
        usage = event.usage_metadata
        if usage is not None:
            self._watch.model_called(
                event.model_version or event.author,
                tokens_in=usage.prompt_token_count,
                tokens_out=usage.candidates_token_count,
                tool_calls=len(calls),
            )
        for call in calls:
            self._tools.add(call.id)
            self._watch.began(call.id, f"tool {call.name}")

    def failed(self, error: BaseException) -> None:
        """Whatever was under way ends with it."""
        for key in ("model", *self._tools):
            self._watch.ended(key, error)


def _failure(event: Any) -> Exception:
    """An event that carries an error instead of an answer."""
    message = f"{event.error_code} {event.error_message or ''}".strip()
    code = str(event.error_code)
    found = failure_of_status(int(code), message) if code.isdecimal() else None
    if found is None and code in {"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "content_filter"}:
        found = failure_of_status(400, f"content_filter: {message}")
    return found or AgentFailed(message)


def _tree(agent: Any) -> Iterator[Any]:
    yield agent
    for below in getattr(agent, "sub_agents", None) or ():
        yield from _tree(below)


def _no_retries(model: Any) -> None:
    """LiteLLM hands its arguments on to the client, whose own two retries would multiply with ours."""
    arguments = getattr(model, "_additional_args", None)
    if isinstance(arguments, dict):
        arguments.setdefault("max_retries", 0)
        arguments.setdefault("num_retries", 0)


class Agent(Adapter):
    """The handler."""

    framework = Adk


agent = Agent
