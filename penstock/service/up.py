"""`up` in the foreground: the supervisor under signals, its children's lines prefixed into one stream."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from penstock.service.supervisor import Child, Supervisor, children_of, console_child
from penstock.topology.model import Topology

_COLOURS: Final = (36, 33, 35, 32, 34, 96, 93, 95)


def supervise(
    topology: Topology, processors: Sequence[str] = (), *, log_format: str = "text", console: bool = False
) -> int:
    """Run the workers until SIGINT or SIGTERM, then drain; returns the exit code. `console` runs that beside them."""
    children = with_console(children_of(topology, processors, log_format=log_format), topology, wanted=console)
    say = prefixed([child.name for child in children])
    if log_format == "json":
        say = _bare
    supervisor = Supervisor(children, say)

    async def run() -> int:
        with stopped_by_signals(supervisor.stop):
            return await supervisor.run()

    return asyncio.run(run())


def with_console(children: list[Child], topology: Topology, *, wanted: bool) -> list[Child]:
    """The same children, and the console where it is wanted and installed."""
    console = console_child(topology) if wanted else None
    return [*children, console] if console else children


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at each SIGINT and SIGTERM while the block runs; needs a running loop."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop)
    try:
        yield
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)


def prefixed(names: Sequence[str]) -> Callable[[str, str], None]:
    """A function that prints `name | line`, names aligned, coloured on a terminal."""
    width = max((len(name) for name in names), default=0)
    coloured = sys.stdout.isatty()

    def say(name: str, line: str) -> None:
        label = name.ljust(width)
        if coloured and name in names:
            label = f"\x1b[{_COLOURS[list(names).index(name) % len(_COLOURS)]}m{label}\x1b[0m"
        sys.stdout.write(f"{label} | {line}\n")
        sys.stdout.flush()

    return say


def _bare(_name: str, line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
