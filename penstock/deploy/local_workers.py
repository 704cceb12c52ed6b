"""Which workers of an app run on this host: each announces itself in a file that it keeps locked while it lives.

The lock is the sign of life: the system drops it when the process ends in whatever way, and a process id used again
by another program is never taken for a worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from penstock.topology.model import Topology


@dataclass(frozen=True, slots=True)
class LocalWorker:
    """One worker process. `port` serves metrics and health (None: none is served), `started` in epoch seconds."""

    pid: int
    processor: str
    group: str
    port: int | None
    started: float


def folder(topology: Topology) -> Path:
    """Where workers of this app announce themselves."""
    return topology.directory / ".penstock" / "workers"


@contextlib.contextmanager
def announced(topology: Topology, processor: str, port: int | None = None) -> Iterator[None]:
    """Be listed by `penstock ps` while inside. On a read-only disk it does nothing: being listed is a comfort."""
    group = (topology.processors.get(processor) or topology.connectors[processor]).group_id
    worker = LocalWorker(os.getpid(), processor, group, port, time.time())
    try:
        path = folder(topology) / f"{worker.pid}-{processor}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_suffix(".new").open("w")
    except OSError:
        yield
        return
    with file:
        _lock(file)
        json.dump(asdict(worker), file)
        file.flush()
        path.with_suffix(".new").rename(path)  # it appears whole and locked, or not at all
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running(topology: Topology) -> tuple[LocalWorker, ...]:
    """The living workers by processor and age; files of dead ones are removed."""
    found = []
    for path in sorted(folder(topology).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError), path.open("r+") as file:
            if _lock(file):
                path.unlink(missing_ok=True)
                continue
            found.append(LocalWorker(**json.load(file)))
    return tuple(sorted(found, key=lambda worker: (worker.processor, worker.started)))


def _lock(file: IO[str]) -> bool:
    """Whether the lock was free and is now ours; it goes when the file is closed."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
