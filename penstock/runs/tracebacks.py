"""A traceback as text. Equal stacks are spelled once: the standard library looks at every source file each time."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Final, TypeAlias

_STACKS_KEPT: Final = 256

Stack: TypeAlias = tuple[tuple[CodeType, int], ...]


class Tracebacks:
    """Spells tracebacks as `traceback.format_exception` does, and keeps the frames of those seen last."""

    def __init__(self) -> None:
        self._kept: dict[Stack, str] = {}

    def of(self, error: BaseException) -> str:
        """The whole text; '' is never returned."""
        if error.__cause__ or error.__context__ or isinstance(error, BaseExceptionGroup) or not error.__traceback__:
            return "".join(traceback.format_exception(error))
        frames = self._frames(error.__traceback__)
        return "".join(("Traceback (most recent call last):\n", frames, *traceback.format_exception_only(error)))

    def _frames(self, trace: TracebackType) -> str:
        stack = tuple(_places(trace))
        found = self._kept.get(stack)
        if found is None:
            if len(self._kept) >= _STACKS_KEPT:
                self._kept.clear()
            found = self._kept[stack] = "".join(traceback.format_tb(trace))
        return found


def _places(trace: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    """Which instruction of which code, from the outermost frame inwards."""
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lasti
        trace = trace.tb_next
