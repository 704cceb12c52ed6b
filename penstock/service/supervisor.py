"""The supervisor: worker processes of one topology, restarted with back-off, one log stream, drained together.

Groups are isolated from each other: each worker is a process of its own, with its own interpreter, memory ceiling and
restart policy; a crash loop in one waits out its back-off without touching the others.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.service.ceiling import outgrown
from penstock.topology.connector_options import ConnectorOptions
from penstock.topology.model import Processor, Topology
from penstock.topology.restart import Restart

PARENT: Final = "PENSTOCK_SUPERVISOR"  # pid of the supervisor: a child whose supervisor is gone ends too
_EXTRA: Final = 10.0  # seconds beyond the grace before a worker that will not end is killed
_CONSOLE_NEEDS: Final = ("jinja2", "multipart", "starlette", "uvicorn")
USAGE: Final = 2  # a configuration that cannot run does not run the second time either


@dataclass(frozen=True)
class Child:
    """One worker process to keep running. `grace` is its stop_grace_period in seconds, `memory_limit` in bytes."""

    name: str
    command: tuple[str, ...]
    grace: float
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_limit: int | None = None
    restart: Restart = field(default_factory=Restart)


def children_of(
    topology: Topology, only: Sequence[str] = (), *, first_port: int | None = None, log_format: str = "text"
) -> list[Child]:
    """The worker processes that the topology's `replicas` ask for, of all processors and connectors or `only` these.

    Health ports count up from `first_port`; None takes free ones.
    """
    found: list[Child] = []
    everything: dict[str, Processor | ConnectorOptions] = {**topology.connectors, **topology.processors}
    for name, one in everything.items():
        if only and name not in only:
            continue
        for replica in range(one.replicas):
            port = 0 if first_port is None else first_port + len(found)
            label = name if one.replicas == 1 else f"{name}.{replica + 1}"
            found.append(_child(topology, one, label, port, log_format))
    return found


def _child(topology: Topology, one: Processor | ConnectorOptions, label: str, port: int, log_format: str) -> Child:
    python = str(one.python) if one.python else sys.executable
    command = (python, "-m", "penstock", "run", one.name, "-f", str(topology.path), "--port", str(port))
    return Child(
        label,
        (*command, "--log-format", log_format),
        one.stop_grace_period,
        memory_limit=one.memory_limit,
        restart=one.restart,
    )


def console_child(topology: Topology) -> Child | None:
    """The console as a process beside the workers; None where its packages are not installed."""
    if not all(importlib.util.find_spec(name) for name in _CONSOLE_NEEDS):
        return None
    return Child("console", (sys.executable, "-m", "penstock", "console", "-f", str(topology.path)), 2.0)


def supervisor_gone() -> bool:
    """Whether a supervisor started this process and ended without it: killed, so that nobody else will end us."""
    supervisor = os.environ.get(PARENT)
    return supervisor is not None and os.getppid() != int(supervisor)


class Supervisor:
    """Keeps children running until `stop`. `say(child, line)` gets every line they print, and our own words."""

    def __init__(self, children: Sequence[Child], say: Callable[[str, str], None]) -> None:
        self._children = children
        self._say = say
        self._stopping = asyncio.Event()
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._failed: list[str] = []

    async def run(self) -> int:
        """Start all, restart what dies; returns 0 after a stop, 1 when a child could not be kept running."""
        async with asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(self._keep(child))
        return 1 if self._failed else 0

    def stop(self) -> None:
        """Let every child drain; called again, tell them to stop at once."""
        self._stopping.set()
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)

    def pid_of(self, name: str) -> int | None:
        """The process id of a child that runs now."""
        process = self._processes.get(name)
        return process.pid if process is not None and process.returncode is None else None

    async def _keep(self, child: Child) -> None:
        loop, crashes = asyncio.get_running_loop(), 0
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_once(child)
            if self._stopping.is_set():
                return
            if code == USAGE:
                self._leave_down(child, "cannot run with this configuration")
                return
            crashes = 1 if loop.time() - started > child.restart.settled else crashes + 1
            if child.restart.max_restarts is not None and crashes > child.restart.max_restarts:
                self._leave_down(child, f"{_how_ended(code)}, for the {crashes}. time in a row")
                return
            wait = _wait_after(crashes, child.restart)
            self._say(child.name, f"{_how_ended(code)}; starts again in {wait:g} s")
            await self._pause(wait)

    def _leave_down(self, child: Child, why: str) -> None:
        self._say(child.name, f"{why}; not started again")
        self._failed.append(child.name)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _run_once(self, child: Child) -> int:
        environment = {**os.environ, PARENT: str(os.getpid()), **child.environment}
        process = await asyncio.create_subprocess_exec(
            *child.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C is ours to pass on, once
            limit=1 << 20,
        )
        self._processes[child.name] = process
        assert process.stdout is not None
        reading = asyncio.ensure_future(self._relay(child.name, process.stdout))
        if self._stopping.is_set():
            process.send_signal(signal.SIGTERM)
        code = await self._wait(child, process)
        await reading
        return code

    async def _wait(self, child: Child, process: asyncio.subprocess.Process) -> int:
        ended = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        ceiling = asyncio.ensure_future(self._hold_down(child, process))
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            done, _ = await asyncio.wait({ended}, timeout=child.grace + _EXTRA)
            if not done:
                self._say(child.name, f"did not end {child.grace + _EXTRA:g} s after its signal; killed")
                process.kill()
        code = await ended
        ceiling.cancel()
        return code

    async def _hold_down(self, child: Child, process: asyncio.subprocess.Process) -> None:
        """Kill it when it outgrows its ceiling: no drain, so that an event that does this is found as a suspect."""
        if child.memory_limit is None:
            return
        held = await outgrown(process.pid, child.memory_limit)
        limit = child.memory_limit >> 20
        self._say(child.name, f"holds {held >> 20} MiB of memory, its memory_limit is {limit} MiB; killed")
        if process.returncode is None:
            process.kill()

    async def _relay(self, name: str, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # a line longer than the limit: its rest is printed as the next
                continue
            if not line:
                return
            self._say(name, line.decode(errors="replace").rstrip("\n"))


def _wait_after(crashes: int, restart: Restart) -> float:
    """Seconds before it starts again after so many crashes in a row."""
    return float(min(restart.initial * 2 ** min(crashes - 1, 30), max(restart.max, restart.initial)))


def _how_ended(code: int) -> str:
    if code < 0:
        return f"was killed by signal {signal.Signals(-code).name}"
    return f"ended with code {code}"
