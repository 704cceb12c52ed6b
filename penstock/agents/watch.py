"""What a framework did, told in one way: model calls and their tokens, tools, steps and how long each took."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from penstock.context import Context


class Watch:
    """Given to a framework for one turn. Tells `ctx.usage` and `ctx.step`, at once: a failed turn costs money too."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._open: dict[Hashable, Any] = {}

    def model_called(
        self,
        model: str,
        *,
        tokens_in: int | None = 0,
        tokens_out: int | None = 0,
        cost: float | None = None,
        tool_calls: int = 0,
    ) -> None:
        """A model answered."""
        self._ctx.usage.add(
            model or "unknown", tokens_in=tokens_in or 0, tokens_out=tokens_out or 0, cost=cost, tool_calls=tool_calls
        )

    def began(self, key: Hashable, name: str) -> None:
        """A step began; `key` names it until it ends."""
        step: Any = self._ctx.step(name)
        step.__enter__()
        self._open[key] = step

    def ended(self, key: Hashable, error: BaseException | None = None) -> None:
        """The step ended, with `error` where it failed. One that never began is ignored."""
        step = self._open.pop(key, None)
        if step is not None:
            step.__exit__(type(error) if error else None, error, None)
