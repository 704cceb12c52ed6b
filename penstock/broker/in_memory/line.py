"""Requests on one connection: each is carried out when it is due, and none overtakes another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Line:
    """Actions carried out on the loop, in the order they were added, each no earlier than its own delay."""

    __slots__ = ("_armed", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._armed = False

    def add(self, action: Callable[[], None], delay: float = 0.0) -> None:
        """Carry out `action` after `delay` seconds, and after everything added before; never within this call."""
        self._waiting.append((asyncio.get_running_loop().time() + delay, action))
        if not self._armed:
            self._arm()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._armed = True
        due = self._waiting[0][0]
        if due <= loop.time():
            loop.call_soon(self._run)
        else:
            loop.call_at(due, self._run)

    def _run(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now:
            self._waiting.popleft()[1]()
        self._armed = False
        if self._waiting:
            self._arm()
