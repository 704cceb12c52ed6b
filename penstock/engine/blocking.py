"""The memory as a plain `def` handler sees it: the same operations, and each waits until it is done."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from penstock.contracts import Memory, Scope


class BlockingMemory:
    """Asks the loop from the handler's thread; `await` is neither needed nor possible there. For names see Memory."""

    def __init__(self, memory: Memory, loop: asyncio.AbstractEventLoop) -> None:
        self._memory = memory
        self._loop = loop

    @property
    def scope(self) -> Scope:
        """See Memory."""
        return self._memory.scope

    @property
    def of_agent(self) -> BlockingMemory:
        """See Memory."""
        return BlockingMemory(self._memory.of_agent, self._loop)

    @property
    def of_tenant(self) -> BlockingMemory:
        """See Memory."""
        return BlockingMemory(self._memory.of_tenant, self._loop)

    def at(self, *, agent: str | None = None, conversation: str | None = None) -> BlockingMemory:
        """See Memory."""
        return BlockingMemory(self._memory.at(agent=agent, conversation=conversation), self._loop)

    def now(self) -> float:
        """See Memory."""
        return self._memory.now()

    def __getattr__(self, name: str) -> Any:
        """Every coroutine of Memory as a function that returns its result, and raises what it raises."""
        operation = getattr(self._memory, name, None)
        if not inspect.iscoroutinefunction(operation):
            raise AttributeError(f"a memory has no operation {name!r}")

        def done(*arguments: Any, **named: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(operation(*arguments, **named), self._loop).result()

        return done
