"""The life of a local Kafka, told by a stand-in for the broker where a real one is not what is tested."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.errors import LocalKafkaError
from penstock.local_kafka import launch, process
from penstock.local_kafka.layout import Layout
from penstock.local_kafka.lock import held, hold

# A `java` that formats, "serves" until it is told to end, and notes each start.
STAND_IN = """#!/bin/sh
case "$*" in
  *StorageTool*) mkdir -p "{topics}"; echo id > "{topics}/meta.properties"; exit 0 ;;
esac
echo start >> "{starts}"
{serve}
"""
SERVES = 'echo "Kafka Server started"; exec sleep 600'


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "fetch", lambda _: (tmp_path / "kafka.jar",))
    folder = tmp_path / "data"
    broker(folder, monkeypatch, SERVES)
    yield folder
    if (folder / "penstock-kafka.json").exists():
        process.wipe(folder)


def broker(data: Path, monkeypatch, serve: str) -> None:
    """What the next start runs."""
    java = data.parent / "java"
    layout = Layout(data)
    java.write_text(STAND_IN.format(topics=layout.log_dir, starts=starts_file(data), serve=serve), encoding="utf-8")
    java.chmod(0o755)
    monkeypatch.setattr(process, "find_java", lambda: java)


def starts_file(data: Path) -> Path:
    return data.parent / "starts"


def starts(data: Path) -> int:
    return len(starts_file(data).read_text(encoding="utf-8").splitlines())


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_start_serves_and_status_tells_and_stop_ends(data):
    started = process.start(data)
    assert started.bootstrap.startswith("127.0.0.1:")
    assert alive(started.pid)
    assert process.status(data) == started
    assert process.stop(data) is True
    assert process.status(data) is None
    assert not alive(started.pid)
    assert process.stop(data) is False


def test_starting_again_returns_the_broker_that_runs(data):
    assert process.start(data) == process.start(data)
    assert starts(data) == 1


def test_two_who_start_at_once_get_the_same_broker(data):
    found = []
    threads = [threading.Thread(target=lambda: found.append(process.start(data))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert starts(data) == 1


def test_a_restart_keeps_the_port(data):
    first = process.start(data)
    process.kill(data)
    second = process.start(data)
    assert second.bootstrap == first.bootstrap
    assert second.pid != first.pid


def test_the_broker_outlives_its_starter_and_the_signal_meant_for_the_starters_terminal(data):
    code = (
        "import sys; from pathlib import Path; from penstock.local_kafka import process\n"
        "process.fetch = lambda _: (); process.find_java = lambda: Path(sys.argv[2])\n"
        "print(process.start(Path(sys.argv[1])).pid)"
    )
    starter = subprocess.run(
        [sys.executable, "-c", code, str(data), str(data.parent / "java")],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    found = process.status(data)
    assert found is not None
    assert found.pid == int(starter.stdout)
    assert os.getsid(found.pid) != os.getsid(0)


def test_a_pid_that_now_belongs_to_another_process_is_not_mistaken(data):
    started = process.start(data)
    process.kill(data)
    Layout(data).pid.write_text(str(os.getpid()), encoding="utf-8")
    assert process.status(data) is None
    assert process.stop(data) is False  # and so we live on
    assert started.pid != os.getpid()


def test_a_broker_that_does_not_listen_to_sigterm_is_killed(data, monkeypatch):
    monkeypatch.setattr(process, "STOP_TIMEOUT", 0.3)
    broker(data, monkeypatch, 'trap "" TERM; echo "Kafka Server started"; while :; do sleep 0.1; done')
    started = process.start(data)
    assert process.stop(data) is True
    assert not alive(started.pid)


def test_a_broker_that_ends_while_it_starts_shows_the_end_of_its_log(data, monkeypatch):
    broker(data, monkeypatch, "echo FATAL No space left on device; exit 1")
    with pytest.raises(LocalKafkaError, match="No space left on device"):
        process.start(data)
    assert process.status(data) is None


def test_a_broker_that_never_gets_ready_is_not_left_behind(data, monkeypatch):
    monkeypatch.setattr(launch, "START_TIMEOUT", 0.3)
    broker(data, monkeypatch, "echo thinking; exec sleep 600")
    with pytest.raises(LocalKafkaError, match="not ready"):
        process.start(data)
    assert not held(Layout(data).broker_lock)


def test_a_port_lost_to_another_is_chosen_anew(data, monkeypatch):
    lost_once = 'if [ "$(wc -l < "{0}")" -lt 2 ]; then echo Address already in use; exit 1; fi; {1}'
    broker(data, monkeypatch, lost_once.format(starts_file(data), SERVES))
    assert process.start(data).pid
    assert starts(data) == 2


def test_a_port_that_is_taken_is_said_at_once(data):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalKafkaError, match=f"port {port} .* is taken"):
            process.start(data, port)


def test_a_running_broker_on_another_port_is_said(data):
    process.start(data)
    with pytest.raises(LocalKafkaError, match="already runs on"):
        process.start(data, launch.free_port())


def test_a_full_disk_is_said_before_anything_starts(data, monkeypatch):
    monkeypatch.setattr(launch, "_LEAST_ROOM", 1 << 60)
    with pytest.raises(LocalKafkaError, match="make room"):
        process.start(data)
    assert not starts_file(data).exists()


def test_wipe_removes_all_of_ours_and_nothing_foreign(data, tmp_path):
    started = process.start(data)
    assert process.wipe(data) is True
    assert not data.exists()
    assert not alive(started.pid)
    assert process.wipe(data) is False
    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "holiday.jpg").touch()
    with pytest.raises(LocalKafkaError, match="was not made by"):
        process.wipe(foreign)
    assert (foreign / "holiday.jpg").exists()


def test_the_log_of_the_start_before_is_kept_once(data):
    process.start(data)
    process.stop(data)
    process.start(data)
    log = process.log_path(data)
    assert "Kafka Server started" in log.read_text(encoding="utf-8")
    assert log.with_suffix(".log.1").exists()


def test_settings_given_by_the_caller_win(data):
    process.start(data, overrides={"message.max.bytes": "5000", "num.io.threads": "9"})
    lines = Layout(data).properties.read_text(encoding="utf-8").splitlines()
    assert "message.max.bytes=5000" in lines
    assert "num.io.threads=9" in lines
    assert "num.io.threads=4" not in lines


def test_heap_and_runtime_options_reach_java(data, monkeypatch):
    monkeypatch.setenv("KAFKA_HEAP_OPTS", "-Xmx99m -Xms9m")
    broker(data, monkeypatch, f'echo "$@"; {SERVES}')
    process.start(data, jvm=["-XX:+UseSerialGC"])
    assert "-Xmx99m -Xms9m -XX:+UseSerialGC" in process.log_path(data).read_text(encoding="utf-8")


def test_a_lock_is_seen_while_it_is_held_and_not_after(tmp_path):
    path = tmp_path / "lock"
    assert not held(path)
    with hold(path):
        assert held(path)
    assert not held(path)


def test_a_lock_that_a_child_inherited_is_held_until_the_child_is_gone(tmp_path):
    path = tmp_path / "lock"
    with hold(path) as descriptor:
        child = subprocess.Popen(["/bin/sleep", "600"], pass_fds=(descriptor,))
    assert held(path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    deadline = time.monotonic() + 10
    while held(path):
        assert time.monotonic() < deadline
