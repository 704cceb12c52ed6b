"""The part all adapters share: settings into an agent, an event into a question, the framework's failures into ours."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from penstock.agents.question import Question, Selector
from penstock.agents.watch import Watch
from penstock.context import Context
from penstock.engine.handler import import_attribute
from penstock.errors import HandlerError
from penstock.event import AnyEvent
from penstock.provider import provider_failure

_OURS: Final = ("agent", "input", "conversation", "returns")


@dataclass(frozen=True)
class AgentSettings:
    """The `settings` of a processor whose handler is an adapter.

    `agent` is module:attribute: an agent, or a function (of the settings, or of nothing) that makes one. `input` and
    `conversation` select from the event. `returns` is what goes to the processor's `output`: `output` (the agent's
    answer), `nothing`, or module:attribute of a function (answer, event) -> data. `options` are the adapter's own.
    """

    agent: str = ""
    input: str = "data"
    conversation: str = "id"
    returns: str = "output"
    options: Mapping[str, Any] = field(default_factory=dict)


def read_settings(said: Mapping[str, Any]) -> AgentSettings:
    """Raises HandlerError for what is no text."""
    wrong = [name for name in _OURS if name in said and not isinstance(said[name], str)]
    if wrong:
        raise HandlerError(f"settings.{wrong[0]} of the agent must be a text, not {said[wrong[0]]!r}")
    own = {name: said[name] for name in _OURS if name in said}
    return AgentSettings(**own, options={name: value for name, value in said.items() if name not in _OURS})


class Framework(Protocol):
    """One framework: all that differs."""

    name: str
    builds: bool  # settings.agent names a function that makes the agent

    async def open(self, agent: Any, options: Mapping[str, Any]) -> None:
        """Take the agent that the app built; once per worker. Raises HandlerError where it is of another kind."""
        ...

    async def ask(self, question: Question, watch: Watch) -> Any:
        """One turn; returns its output. Raises what the framework raises, and what it only returns as a failure."""
        ...

    async def close(self) -> None:
        """The worker ends."""
        ...


class Adapter:
    """A handler around one framework. Subclasses name it; see `penstock.engine.handler` for how handlers are made."""

    framework: Callable[[], Framework]

    def __init__(self) -> None:
        self._framework = type(self).framework()

    async def setup(self, settings: Mapping[str, Any]) -> None:
        """Build the agent, once per worker. Raises HandlerError."""
        read = read_settings(settings)
        self._input, self._conversation = Selector(read.input), Selector(read.conversation)
        self._returns = _returning(read.returns)
        agent: Any = None
        if read.agent:
            found = await asyncio.to_thread(_named, read.agent)  # seconds for some frameworks: the loop must not stand
            agent = await _built(found, settings) if self._framework.builds else found
        await self._framework.open(agent, read.options)

    async def __call__(self, event: AnyEvent, ctx: Context) -> Any:
        """One turn. What the framework raises is read once, here: see `penstock.provider`."""
        question = Question(self._input.of(event), self._conversation.of(event), event, ctx)
        try:
            async with ctx.step(self._framework.name):
                output = await self._framework.ask(question, Watch(ctx))
        except Exception as error:
            failed = provider_failure(error)
            if failed is None or failed is error:
                raise
            raise failed from error
        return self._returns(output, event)

    async def close(self) -> None:
        """The worker ends."""
        await self._framework.close()


def _named(spec: str) -> Any:
    """What `module:attribute` names; the app's folder is first on sys.path. Raises HandlerError."""
    return import_attribute(spec, Path(sys.path[0]))


async def _built(found: Any, settings: Mapping[str, Any]) -> Any:
    """An agent, or what a function makes that is called with the settings, or with nothing."""
    if not inspect.isfunction(found):
        return found
    made = found(settings) if inspect.signature(found).parameters else found()
    return await made if inspect.isawaitable(made) else made


def needs(module: str, extra: str) -> Any:
    """A framework's module. Raises HandlerError that names the extra to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and not f"{module}.".startswith(f"{error.name}."):
            raise
        raise HandlerError(
            f"{module} is not installed in {sys.executable}", f"pip install 'penstock[{extra}]' there"
        ) from error


def _returning(said: str) -> Callable[[Any, AnyEvent], Any]:
    if said == "nothing":
        return lambda _output, _event: None
    if said == "output":
        return lambda output, _event: output if isinstance(output, Mapping) else {"output": output}
    chosen: Callable[[Any, AnyEvent], Any] = _named(said)
    return chosen
