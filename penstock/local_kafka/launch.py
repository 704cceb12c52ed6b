"""Starting the Java process: format the folder once, launch the broker detached, wait until it serves."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from penstock.errors import LocalKafkaError
from penstock.local_kafka.layout import Layout
from penstock.local_kafka.properties import server_properties, write_properties
from penstock.local_kafka.secure import Security

START_TIMEOUT: Final = 90.0  # seconds; a few suffice, but an overloaded machine deserves its time
SHORT_LIVED: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""JVM options that start in two thirds of the processor time, and run slower ever after: for tests."""
_LEAST_ROOM: Final = 300_000_000  # bytes free that a first segment, its indexes and some data need
_LOGGING: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.coordinator.group=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
)
_READY: Final = "Kafka Server started"
_PORT_TAKEN: Final = "Address already in use"


class PortTaken(Exception):
    """Another process took the port between our look and the broker's bind."""


def prepare(
    layout: Layout,
    java: Path,
    jars: Sequence[Path],
    port: int,
    overrides: Mapping[str, str],
    security: Security | None = None,
) -> None:
    """Write the settings, and format the folder where it is new. Raises LocalKafkaError."""
    if shutil.disk_usage(layout.data).free < _LEAST_ROOM:
        raise LocalKafkaError(
            f"the disk that holds {layout.data} has less than {_LEAST_ROOM // 1_000_000} MB left",
            "make room, or choose another data folder",
        )
    controller = free_port()
    if security is not None:
        security.make(java)
        overrides = {**security.properties(port, controller), **overrides}
    write_properties(layout.properties, server_properties(layout.log_dir, port, controller, overrides))
    if (layout.log_dir / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A", 1)
    tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config", str(layout.properties)]
    tool += security.format_options() if security else []
    done = subprocess.run(  # noqa: S603
        [java, *SHORT_LIVED, "-Xmx128m", "-cp", _class_path(jars), *tool], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LocalKafkaError(
            f"Kafka could not format {layout.log_dir}:\n{_tail(done.stdout + done.stderr)}",
            "`penstock kafka wipe` clears a damaged folder",
        )


def launch(layout: Layout, java: Path, jars: Sequence[Path], lock: int, jvm: Sequence[str] = ()) -> None:
    """Start the broker; the shell that does writes its process id.

    It is no child of ours but of a shell that ends at once, so that it is reaped whoever ends first; it has its own
    session, so that Ctrl-C in this terminal is not meant for it; and it inherits the descriptor `lock`, by which
    its life can be seen.
    """
    heap = shlex.split(os.environ.get("KAFKA_HEAP_OPTS") or "-Xms128m -Xmx512m")
    command: list[str | Path] = [java, *heap, *jvm, "-Djava.awt.headless=true", *_LOGGING, "-cp", _class_path(jars)]
    command += ["kafka.Kafka", str(layout.properties)]
    layout.rotate_log()
    layout.pid.unlink(missing_ok=True)  # else a former one might be taken for this one
    script = 'out=$1; pid=$2; shift 2; "$@" </dev/null >>"$out" 2>&1 & echo $! >"$pid"'
    subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", script, "sh", layout.log, layout.pid, *command],
        check=True,
        pass_fds=(lock,),
        start_new_session=True,
        cwd=layout.data,
    )


def wait_ready(layout: Layout, running: Callable[[], bool]) -> None:
    """Return once the broker says that it serves.

    Raises PortTaken, or LocalKafkaError with the end of its log where it ended or took too long.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        alive = running()  # asked before the log is read: what it said before it ended is then in the text
        text = layout.log.read_text(encoding="utf-8", errors="replace") if layout.log.exists() else ""
        if _READY in text and alive:
            return
        if not alive:
            if _PORT_TAKEN in text:
                raise PortTaken
            raise LocalKafkaError(f"Kafka ended while it started:\n{_tail(text)}", f"the whole log: {layout.log}")
        if time.monotonic() > deadline:
            raise LocalKafkaError(
                f"Kafka was not ready after {START_TIMEOUT:.0f} s:\n{_tail(text)}", f"the whole log: {layout.log}"
            )
        time.sleep(0.05)


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether the port can be bound on loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _class_path(jars: Sequence[Path]) -> str:
    return os.pathsep.join(str(jar) for jar in jars)


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:]) or "(it said nothing)"
