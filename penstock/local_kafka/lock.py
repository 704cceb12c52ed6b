"""File locks between processes, and the lock a broker holds for as long as it lives.

A lock on an open file passes to a child that inherits the file, and the kernel drops it when the last holder is
gone, however it went. So "does the broker of this folder run?" has an exact answer: is its lock held? No process
id that now belongs to another program can mislead us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from penstock.errors import LocalKafkaError


@contextmanager
def hold(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold the lock of this file, waiting for it (`on_wait` is called once if so); yields the open descriptor."""
    fcntl = _fcntl()
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def held(path: Path) -> bool:
    """Whether some process holds this lock exclusively."""
    fcntl = _fcntl()
    try:
        file = path.open("r")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask do not see each other
        except BlockingIOError:
            return True
    return False


def _fcntl() -> ModuleType:
    """The module, which Windows does not have."""
    try:
        import fcntl
    except ImportError:
        raise LocalKafkaError(
            "the local Kafka runs on Linux and macOS",
            "on Windows use WSL, or set KAFKA_BOOTSTRAP_SERVERS",
        ) from None
    return fcntl
