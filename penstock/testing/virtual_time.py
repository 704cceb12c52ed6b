"""Time that costs nothing: an event loop that jumps to its next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")

START: Final = 1_700_000_000.0  # epoch seconds at which virtual clocks begin
THREAD_PATIENCE: Final = 1.0  # real seconds that virtual time stands still for work handed to threads


class Deadlock(RuntimeError):
    """Every task waits for another: no timer, no callback and no thread can ever wake one."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` is virtual: it starts at 0 and moves only when nothing else can happen.

    Where nothing is ready it jumps to the next timer, and where there is none it raises Deadlock. While work runs on
    the loop's executor, time stands still, for a second of real time at most per wait. Sockets are polled, not
    waited for: only what happens inside this process is worth simulating.
    """

    def __init__(self) -> None:
        self._virtual_now = 0.0
        self._threads_busy = 0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """As in any loop; time stands still meanwhile."""
        future = super().run_in_executor(executor, func, *args)
        self._threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """As in any loop; it waits for a thread too."""
        with self._thread_busy():
            await super().shutdown_default_executor(*args)

    @contextmanager
    def _thread_busy(self) -> Iterator[None]:
        self._threads_busy += 1
        try:
            yield
        finally:
            self._threads_busy -= 1

    def _thread_done(self, _: object) -> None:
        self._threads_busy -= 1

    def _jump(self, timeout: float | None, poll: Callable[[float], bool]) -> None:
        """Called where an ordinary loop would block for `timeout`; `poll` waits in real time for outside events."""
        if timeout is not None and timeout <= 0:
            return
        if self._threads_busy and poll(THREAD_PATIENCE):
            return
        if timeout is None:
            if self._threads_busy:
                return
            raise Deadlock(f"deadlock: nothing is scheduled{self._waiting_tasks()}")
        self._virtual_now += timeout

    def _waiting_tasks(self) -> str:
        names = sorted(task.get_name() for task in asyncio.all_tasks(self))
        return f"; waiting: {', '.join(names)}" if names else ""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that never waits: it polls, and otherwise hands the wait to `jump`."""

    def __init__(self, jump: Callable[[float | None, Callable[[float], bool]], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Events that are there already; after a wait in real time, those that came meanwhile."""
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)

        def poll(seconds: float) -> bool:
            found.extend(super(_JumpingSelector, self).select(seconds))
            return bool(found)

        if not found:
            self._jump(timeout, poll)
        return found


class VirtualClock:
    """clock.Clock on a virtual loop. Raise or lower `skew` (seconds) to let the wall clock jump."""

    def __init__(self, loop: VirtualTimeLoop, start: float = START) -> None:
        self._loop = loop
        self._start = start
        self.skew = 0.0

    def now(self) -> float:
        """Epoch seconds: the start, what the loop has lived through, and the skew."""
        return self._start + self._loop.time() + self.skew

    def monotonic(self) -> float:
        """The loop's own time."""
        return self._loop.time()


def run_virtual(main: Callable[[VirtualClock], Coroutine[Any, Any, T]], *, start: float = START) -> T:
    """Run `main` in virtual time and return what it returns; then cancel what is left and close the loop.

    Raises Deadlock where nothing could ever happen again, and what `main` raises. What a callback raised without
    anyone to hear it (the loop would only log it) is raised too, once `main` has returned.
    """
    loop = VirtualTimeLoop()
    unheard: list[BaseException] = []

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "handle" in context and isinstance(context.get("exception"), BaseException):
            unheard.append(context["exception"])
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(note)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main(VirtualClock(loop, start)))
    if unheard:
        raise unheard[0]
    return result
