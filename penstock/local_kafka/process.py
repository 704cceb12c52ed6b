"""The life of a local Kafka: start, status, stop, kill, wipe; each safe beside others on the same data folder."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.errors import LocalKafkaError
from penstock.local_kafka.jars import fetch
from penstock.local_kafka.java import find_java
from penstock.local_kafka.launch import PortTaken, free_port, is_free, launch, prepare, wait_ready
from penstock.local_kafka.layout import Layout
from penstock.local_kafka.lock import held, hold
from penstock.local_kafka.secure import Security

STOP_TIMEOUT: Final = 30.0  # seconds given to a clean shutdown before it is killed
_PORT_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class LocalKafka:
    """A running broker: where clients find it, its process, its folder and its log."""

    bootstrap: str
    pid: int
    data: Path
    log: Path


def _silent(_: str) -> None:
    """The ear of one who does not want to hear of progress."""


def start(
    data: Path,
    port: int | None = None,
    *,
    overrides: Mapping[str, str] | None = None,
    jvm: Sequence[str] = (),
    secure: bool = False,
    say: Callable[[str], None] = _silent,
) -> LocalKafka:
    """Start a broker on this folder and return once it serves; one that already runs there is returned as it is.

    Without `port` the folder's former port is used where it is free, else any. `overrides` are server settings,
    `jvm` options of the Java runtime (KAFKA_HEAP_OPTS sets its heap, as for any Kafka); `say` hears of progress.
    `secure` makes a new folder's broker ask for TLS, SCRAM and ACLs; a folder stays what it was made as.
    Raises LocalKafkaError, which says what to do.
    """
    layout = _layout(data)
    try:
        layout.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalKafkaError(f"{layout.data} cannot be made: {error.strerror}", "choose another data folder") from None
    with hold(layout.start_lock, on_wait=lambda: say("waiting for another process that starts this Kafka")):
        running = status(data)
        if running is not None:
            return _the_running_one(running, port)
        security = _security(layout, secure=secure)
        java = find_java()
        jars = fetch(say)
        say("starting Kafka")
        for _ in range(_PORT_ATTEMPTS):
            chosen = _choose_port(layout, port)
            prepare(layout, java, jars, chosen, overrides or {}, security)
            layout.write_port(chosen)
            try:
                with hold(layout.broker_lock) as lock:
                    launch(layout, java, jars, lock, jvm)
                wait_ready(layout, lambda: held(layout.broker_lock))
            except PortTaken:
                continue
            except BaseException:
                _end(layout, signal.SIGKILL)  # a start given up (or Ctrl-C) leaves nothing running
                raise
            started = status(data)
            if started is not None:
                return started
    raise LocalKafkaError("Kafka did not come up after several attempts", f"see {layout.log}, or give a free port")


def security_of(data: Path) -> Security | None:
    """How to log in to the broker of this folder, where it is a secure one."""
    layout = _layout(data)
    return Security(layout.secure) if layout.secure.exists() else None


def _security(layout: Layout, *, secure: bool) -> Security | None:
    if layout.secure.exists():
        return Security(layout.secure)
    if secure and layout.log_dir.exists():
        raise LocalKafkaError(
            f"the Kafka in {layout.data} was made without --secure", "wipe it, or give another --data"
        )
    return Security(layout.secure) if secure else None


def status(data: Path) -> LocalKafka | None:
    """The broker that runs on this folder (it may still be starting), or None."""
    layout = _layout(data)
    if not held(layout.broker_lock):
        return None
    pid, port = layout.read_pid(), layout.read_port()
    if pid is None or port is None:
        return None
    return LocalKafka(f"127.0.0.1:{port}", pid, layout.data, layout.log)


def stop(data: Path) -> bool:
    """Shut the broker down cleanly, killing it after 30 s; whether there was one."""
    return _stop(data, signal.SIGTERM)


def kill(data: Path) -> bool:
    """End the broker as a crash would (SIGKILL); whether there was one."""
    return _stop(data, signal.SIGKILL)


def wipe(data: Path) -> bool:
    """Kill the broker and remove the folder with all its topics; whether there was one.

    Raises LocalKafkaError where the folder is not one of ours: nothing foreign is ever removed.
    """
    layout = _layout(data)
    if not layout.data.exists():
        return False
    if not layout.state.exists() and any(layout.data.iterdir()):
        raise LocalKafkaError(
            f"{layout.data} was not made by `penstock kafka start`", "remove it by hand if you mean it"
        )
    with hold(layout.start_lock):
        if held(layout.broker_lock):
            _end(layout, signal.SIGKILL)
        shutil.rmtree(layout.data)
    return True


def log_path(data: Path) -> Path:
    """The file that holds what the broker says (the start before it: `.log.1` beside it)."""
    return _layout(data).log


def _layout(data: Path) -> Layout:
    return Layout(data.expanduser().absolute())


def _the_running_one(running: LocalKafka, port: int | None) -> LocalKafka:
    if port is not None and running.bootstrap != f"127.0.0.1:{port}":
        raise LocalKafkaError(f"Kafka already runs on {running.bootstrap}, not on port {port}", "stop it first")
    return running


def _choose_port(layout: Layout, port: int | None) -> int:
    if port is not None:
        if not is_free(port):
            raise LocalKafkaError(f"port {port} on 127.0.0.1 is taken", "give another, or stop what uses it")
        return port
    former = layout.read_port()
    return former if former is not None and is_free(former) else free_port()


def _stop(data: Path, how: signal.Signals) -> bool:
    layout = _layout(data)
    if not layout.data.exists():
        return False
    with hold(layout.start_lock):
        if status(data) is None:
            return False
        _end(layout, how)
    return True


def _end(layout: Layout, how: signal.Signals) -> None:
    """Signal the broker and wait until its lock is free, which the kernel does when it is gone."""
    pid = layout.read_pid()
    if pid is None:
        return
    for sign in (how, signal.SIGKILL):
        with suppress(ProcessLookupError):  # it may end between our look and our signal
            os.kill(pid, sign)
        if _wait_until_gone(layout):
            return
    raise LocalKafkaError(f"Kafka (process {pid}) does not end", "see what holds it; it may wait for the disk")


def _wait_until_gone(layout: Layout) -> bool:
    deadline = time.monotonic() + STOP_TIMEOUT
    while held(layout.broker_lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
