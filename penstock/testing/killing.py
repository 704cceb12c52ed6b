"""Kills a piece of asyncio code where it stands, as kill -9 would: at its n-th await, with no clean-up of any kind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import linecache
import sys
import warnings
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any, Self, TypeVar

T = TypeVar("T")
_COLLECTIONS = 4  # each lets go of what the next can collect
_RUNNING: ContextVar[Killable | None] = ContextVar("killable", default=None)


class Killable:
    """One process that may be killed. Every await of what it drives is a step; at step `at` all of it stands still.

    What was begun in a thread or by another program ends by itself, as it would when a process is killed meanwhile.
    """

    def __init__(self, at: int | None, folder: str = "penstock/connectors") -> None:
        """`at` None: it lives. `folder` is part of the path of the code whose lines are named as places."""
        self.steps = 0
        self.place = ""
        self.killed = asyncio.Event()
        self._at = at
        self._folder = folder
        self._all: list[Coroutine[Any, Any, Any]] = []  # kept, so that the collector ends none of them meanwhile
        self._generators: list[AsyncGenerator[Any, Any]] = []

    async def drive(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await it, and every task it makes, step by step."""
        _RUNNING.set(self)
        self._all.append(coroutine)
        found: T = await _Stepped(self, coroutine)
        return found

    def step(self, coroutine: Coroutine[Any, Any, Any]) -> bool:
        """Count one await; returns whether the process is dead."""
        if self.killed.is_set():
            return True
        self.steps += 1
        if self._at is None or self.steps < self._at:
            return False
        self.place = _place(coroutine, self._folder)
        if not self.place:
            return False  # not in the connector's own code: at the next step that is
        self.killed.set()
        return True

    @contextlib.contextmanager
    def own_generators(self) -> Iterator[None]:
        """Keep the async generators that are begun here from the loop: at its end it would wait for their clean-up."""
        before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._generators.append, finalizer=before.finalizer)
        try:
            yield
        finally:
            sys.set_asyncgen_hooks(*before)

    def bury(self) -> None:
        """Let go of what stood still, once its loop has ended: whatever clean-up it has reaches nobody any more."""
        while self._all:
            with contextlib.suppress(BaseException):
                self._all.pop().close()
        self._generators.clear()

    def watch(self) -> Self:
        """Let the running loop drive the tasks that killable code makes, too."""
        asyncio.get_running_loop().set_task_factory(_task_factory)
        return self


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """While code is killed, nobody hears what collected objects complain of; all of it is collected at the end.

    What was killed closes nothing, so its sockets complain when they are collected: not in a test that comes later.
    """
    heard = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
            for _ in range(_COLLECTIONS):
                gc.collect()
    finally:
        sys.unraisablehook = heard


class _Stepped:
    """A coroutine that asks at each await whether it may go on."""

    def __init__(self, owner: Killable, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._owner = owner
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        thrown: BaseException | None = None
        while True:
            try:
                with self._owner.own_generators():
                    yielded = self._coroutine.send(None) if thrown is None else self._coroutine.throw(thrown)
            except StopIteration as ended:
                return ended.value
            thrown = None
            if self._owner.step(self._coroutine):
                yield from asyncio.get_running_loop().create_future()  # for ever, until its worker is dropped
            try:
                yield yielded
            except BaseException as error:  # what the task is told, the coroutine is told
                if self._owner.killed.is_set():
                    raise
                thrown = error


def _task_factory(
    loop: asyncio.AbstractEventLoop,
    coroutine: Any,
    context: contextvars.Context | None = None,
    **options: Any,
) -> asyncio.Task[Any]:
    owner = (context or contextvars.copy_context()).get(_RUNNING)
    if owner is not None and asyncio.iscoroutine(coroutine):
        coroutine = owner.drive(coroutine)
    return asyncio.Task(coroutine, loop=loop, context=context, **options)


def _place(coroutine: Any, folder: str) -> str:
    """The line of the connector's own code where it stands: `file: text of the line`; '' where it is in none."""
    found = ""
    seen: Any = coroutine
    while seen is not None:
        frame: FrameType | None = getattr(seen, "cr_frame", None) or getattr(seen, "ag_frame", None)
        code: CodeType | None = getattr(frame, "f_code", None)
        if frame is not None and code is not None and folder in code.co_filename:
            line = linecache.getline(code.co_filename, frame.f_lineno).strip()
            found = f"{code.co_filename.rpartition('/')[2]}: {line}"
        seen = getattr(seen, "cr_await", None) or getattr(seen, "ag_await", None)
    return found
