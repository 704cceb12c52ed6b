"""`dev`: topics as the file says, every worker, and all of it anew when a file changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.errors import PenstockError
from penstock.service.reload import changes
from penstock.service.runtime import broker_for
from penstock.service.supervisor import Supervisor, children_of
from penstock.service.up import prefixed, stopped_by_signals, with_console
from penstock.topology.model import Topology

_US = "penstock"


def develop(read: Callable[[], Topology], *, log_format: str = "text", console: bool = False) -> int:
    """Apply, run, and start again on each change, until Ctrl-C. `read` gives the topology as it is now.

    A file with a mistake changes nothing: its problems are printed and the workers go on as they were. Raises
    PenstockError when the first topology cannot be used or applied.
    """
    return asyncio.run(_Development(read, log_format, console=console).run())


async def apply_topology(topology: Topology, say: Callable[[str], None]) -> None:
    """Create and change topics as the topology says. Raises PenstockError naming the steps that failed."""
    broker = broker_for(topology)
    try:
        plan = await make_plan(topology, broker.admin())
        steps = await apply(
            plan,
            broker.admin(),
            lambda step: say(f"{step.what} ({step.result}) {step.reason}".rstrip()),
            topology.schema_registry,
        )
    finally:
        await broker.close()
    failed = [f"{step.what}: {step.reason}" for step in steps if step.result == "failed"]
    if failed or plan.problems:
        raise PenstockError("the topology could not be applied: " + "; ".join([*failed, *map(str, plan.problems)]))


class _Development:
    def __init__(self, read: Callable[[], Topology], log_format: str, *, console: bool) -> None:
        self._read = read
        self._log_format = log_format
        self._console = console
        self._stopped = False
        self._supervisor: Supervisor | None = None
        self._again = asyncio.Event()
        self._say = prefixed([_US])

    async def run(self) -> int:
        topology = self._read()
        with stopped_by_signals(self._stop):
            while True:
                await apply_topology(topology, lambda line: self._say(_US, line))
                code = await self._run_once(topology)
                if self._stopped:
                    return code
                topology = await self._next(topology)

    def _stop(self) -> None:
        self._stopped = True
        if self._supervisor is not None:
            self._supervisor.stop()

    async def _run_once(self, topology: Topology) -> int:
        children = with_console(children_of(topology, log_format=self._log_format), topology, wanted=self._console)
        self._say = prefixed([_US, *(child.name for child in children)])
        self._supervisor = Supervisor(children, self._say)
        watching = asyncio.ensure_future(self._watch(topology.directory))
        try:
            code = await self._supervisor.run()
            if not self._stopped and not self._again.is_set():
                self._say(_US, "nothing runs; change a file to try again, or Ctrl-C")
                await self._again.wait()
            return code
        finally:
            watching.cancel()

    async def _watch(self, folder: Path) -> None:
        async for files in changes(folder):
            self._say(_US, f"changed: {', '.join(str(path.relative_to(folder)) for path in files)}")
            try:
                self._read()
            except PenstockError as error:
                self._say(_US, f"not used:\n{error}")
                continue
            self._again.set()
            assert self._supervisor is not None
            self._supervisor.stop()
            return

    async def _next(self, topology: Topology) -> Topology:
        self._again.clear()
        try:
            return self._read()
        except PenstockError as error:  # changed once more, for the worse, while the workers drained
            self._say(_US, f"not used:\n{error}")
            return topology
