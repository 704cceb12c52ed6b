"""What one attempt did on its way: its named steps, and what it used of which model. Made when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from penstock.engine.counters import Counters

MOST_STEPS: Final = 200  # kept of one attempt; a loop of thousands is told by its first ones and the count


@dataclass(frozen=True, slots=True)
class Step:
    """One named step. `at` is seconds since the attempt started, `error` the type of what it raised."""

    name: str
    at: float
    duration: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What one attempt used of one model; `cost` is None where no call named one."""

    model: str
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tool_calls: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model; `at` is when it was reported, by the loop's clock."""

    at: float
    model: str
    tokens_in: int
    tokens_out: int


class Usage:
    """See penstock.context.Usage. Counted at once, so that an abandoned attempt's money is counted too.

    `heard` collects single calls, where somebody put a list there.
    """

    __slots__ = ("_counters", "_models", "_time", "heard")

    def __init__(self, counters: Counters, time: Callable[[], float]) -> None:
        self._counters = counters
        self._time = time
        self.heard: list[Call] | None = None
        self._models: dict[str, ModelUsage] = {}

    def add(
        self,
        model: str,
        *,
        tokens_in: int = 0,
        tokens_out: int = 0,
        cost: float | None = None,
        tool_calls: int = 0,
    ) -> None:
        """See penstock.context.Usage."""
        if min(tokens_in, tokens_out, tool_calls, cost or 0) < 0:
            raise ValueError(f"usage of {model!r} cannot be negative")
        so_far = self._models.get(model) or ModelUsage(model)
        self._models[model] = ModelUsage(
            model,
            so_far.calls + 1,
            so_far.tokens_in + tokens_in,
            so_far.tokens_out + tokens_out,
            so_far.tool_calls + tool_calls,
            so_far.cost if cost is None else (so_far.cost or 0.0) + cost,
        )
        if self.heard is not None and len(self.heard) < MOST_STEPS:
            self.heard.append(Call(self._time(), model, tokens_in, tokens_out))
        self._counters.used(model, tokens_in, tokens_out, tool_calls, cost or 0.0)

    @property
    def models(self) -> tuple[ModelUsage, ...]:
        """So far, by model in the order of their first call."""
        return tuple(self._models.values())


class Trail:
    """Steps and usage of one attempt. `owner` is the attempt: a run put off in its lane begins a new trail.

    `started` is by the loop's clock; `traceparent` names the attempt's span, '' where there is none.
    """

    __slots__ = ("_counters", "_time", "owner", "started", "steps", "steps_left_out", "traceparent", "usage")

    def __init__(self, owner: object, counters: Counters, time: Callable[[], float], started: float) -> None:
        self.owner = owner
        self.usage = Usage(counters, time)
        self.traceparent = ""
        self.steps: list[Step] = []
        self.steps_left_out = 0
        self._counters = counters
        self._time = time
        self.started = started

    def step(self, name: str) -> StepUnderWay:
        """A step that begins when entered."""
        return StepUnderWay(self, name, self._time)

    def ended(self, name: str, began: float, error: str) -> None:
        """Keep a step, as long as there are not too many."""
        duration = self._time() - began
        self._counters.step_ended(name, duration)
        if len(self.steps) < MOST_STEPS:
            self.steps.append(Step(name, began - self.started, duration, error))
        else:
            self.steps_left_out += 1


class StepUnderWay:
    """The context manager of one step: `async with`, or `with` in a plain `def` handler."""

    __slots__ = ("_began", "_name", "_time", "_trail")

    def __init__(self, trail: Trail, name: str, time: Callable[[], float]) -> None:
        self._trail = trail
        self._name = name
        self._time = time

    def __enter__(self) -> None:
        self._began = self._time()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trail.ended(self._name, self._began, kind.__name__ if kind else "")

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
