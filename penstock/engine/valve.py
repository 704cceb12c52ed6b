"""The valve: why records are not taken now. Closed by a breaker or an operator; what runs already is not touched."""

from __future__ import annotations

from collections.abc import Callable


class Valve:
    """A set of reasons. While there is one, source records are neither taken nor started: their backlog stays.

    Records of the group's own topics (retry, replay) still flow, unless a reason was given with `everything`.
    """

    __slots__ = ("_listeners", "_reasons", "all_closed", "sources_closed")

    def __init__(self) -> None:
        self._reasons: dict[str, bool] = {}
        self._listeners: list[Callable[[], None]] = []
        self.sources_closed = False
        self.all_closed = False

    def close(self, reason: str, *, everything: bool = False) -> None:
        """Take nothing for this reason. Said again, it replaces what was said of it before."""
        self._reasons[reason] = everything
        self._turned()

    def open(self, reason: str) -> None:
        """The reason is gone; where it was the last one, records are taken again. Unknown reasons are ignored."""
        if self._reasons.pop(reason, None) is not None:
            self._turned()

    @property
    def closed(self) -> tuple[str, ...]:
        """The reasons, in the order they came up; empty while open."""
        return tuple(self._reasons)

    def stops(self, *, own: bool) -> bool:
        """Whether records of the group's own topics (`own`), or of its sources, must wait."""
        return self.all_closed if own else self.sources_closed

    def on_turn(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change, on the loop."""
        self._listeners.append(listener)

    def _turned(self) -> None:
        self.sources_closed = bool(self._reasons)
        self.all_closed = any(self._reasons.values())
        for listener in self._listeners:
            listener()
