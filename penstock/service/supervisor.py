"""The supervisor: worker processes of one topology, restarted with back-off, one log stream, drained together.

Groups are isolated from each other: each worker is a process of its own, and a crash loop in one waits out its
back-off without touching the others.
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

from penstock.topology.connector_options import ConnectorOptions
from penstock.topology.model import Processor, Topology

PARENT: Final = "PENSTOCK_SUPERVISOR"  # pid of the supervisor: a worker whose supervisor is gone drains
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_SETTLED: Final = 30.0  # seconds of life after which a crash counts as the first again
_EXTRA: Final = 10.0  # seconds beyond the grace before a worker that will not end is killed
_CONSOLE_NEEDS: Final = ("jinja2", "multipart", "starlette", "uvicorn")
USAGE: Final = 2  # a configuration that cannot run does not run the second time either


@dataclass(frozen=True)
class Child:
    """One worker process to keep running. `grace` is its stop_grace_period in seconds."""

    name: str
    command: tuple[str, ...]
    grace: float
    environment: Mapping[str, str] = field(default_factory=dict)


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
    return Child(label, (*command, "--log-format", log_format), one.stop_grace_period)


def console_child(topology: Topology) -> Child | None:
    """The console as a process beside the workers; None where its packages are not installed."""
    if not all(importlib.util.find_spec(name) for name in _CONSOLE_NEEDS):
        return None
    return Child("console", (sys.executable, "-m", "penstock", "console", "-f", str(topology.path)), 2.0)


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
        wait = _FIRST_WAIT
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_once(child)
            if self._stopping.is_set():
                return
            if code == USAGE:
                self._say(child.name, "cannot run with this configuration; not started again")
                self._failed.append(child.name)
                return
            if loop.time() - started > _SETTLED:
                wait = _FIRST_WAIT
            self._say(child.name, f"{_how_ended(code)}; starts again in {wait:g} s")
            await self._pause(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

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
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            done, _ = await asyncio.wait({ended}, timeout=child.grace + _EXTRA)
            if not done:
                self._say(child.name, f"did not end {child.grace + _EXTRA:g} s after its signal; killed")
                process.kill()
        return await ended

    async def _relay(self, name: str, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # a line longer than the limit: its rest is printed as the next
                continue
            if not line:
                return
            self._say(name, line.decode(errors="replace").rstrip("\n"))


def _how_ended(code: int) -> str:
    if code < 0:
        return f"was killed by signal {signal.Signals(-code).name}"
    return f"ended with code {code}"
