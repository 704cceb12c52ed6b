"""The bound on what is sent and not yet acknowledged: records and bytes. Who finds it full waits."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

MOST_BYTES: Final = 64 << 20


class Window:
    """Room for `most` records and 64 MiB; a single larger record enters when nothing else is there."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"max_outstanding must be at least 1, not {most}")
        self._most = most
        self._records = 0
        self._bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def try_enter(self, size: int) -> bool:
        """Take room where there is some and nobody waits for it."""
        if self._waiting or not self._has_room(size):
            return False
        self._take(size)
        return True

    async def enter(self, size: int) -> None:
        """Take room, waiting for it in the order of arrival."""
        if self.try_enter(size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            while True:
                await turn
                if self._has_room(size):
                    self._take(size)
                    return
                turn = self._waiting[0] = asyncio.get_running_loop().create_future()
        finally:
            self._waiting.remove(turn)
            self._wake()

    def leave(self, size: int) -> None:
        """Give room back."""
        self._records -= 1
        self._bytes -= size
        self._wake()

    def _has_room(self, size: int) -> bool:
        return self._records == 0 or (self._records < self._most and self._bytes + size <= MOST_BYTES)

    def _take(self, size: int) -> None:
        self._records += 1
        self._bytes += size

    def _wake(self) -> None:
        """The head of the line looks again; it stays the head until it has entered or gone."""
        if self._waiting and not self._waiting[0].done():
            self._waiting[0].set_result(None)
