"""The console as a process: its token is kept, its port gives way, and a missing package is said."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest

from penstock.console import serving
from penstock.console.access import is_loopback, remembered_token
from penstock.errors import PenstockError
from penstock.service import supervisor
from penstock.topology.model import Topology


def test_the_token_of_an_app_is_made_once_and_read_by_its_owner_alone(tmp_path):
    first = remembered_token(tmp_path)
    kept = tmp_path / ".penstock" / "console-token"

    assert remembered_token(tmp_path) == first
    assert len(first) >= 32
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_another_folder_has_another_token(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert remembered_token(tmp_path / "a") != remembered_token(tmp_path / "b")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.1.2.3", False), ("desk", False)],
)
def test_only_loopback_is_open_to_look(host, loopback):
    assert is_loopback(host) is loopback


def test_a_port_that_was_asked_for_and_is_taken_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PenstockError, match=f"cannot listen at 127.0.0.1:{port}"):
            serving.serve(
                Topology(name="desk", directory=tmp_path), lambda: pytest.fail("connected"), path="t.yaml", port=port
            )


def test_without_its_packages_up_goes_without_a_console(monkeypatch):
    monkeypatch.setattr(supervisor.importlib.util, "find_spec", lambda name: None)

    assert supervisor.console_child(Topology(name="desk")) is None


def test_with_them_it_runs_beside_the_workers():
    child = supervisor.console_child(Topology(name="desk"))

    assert child is not None
    assert child.command[2:4] == ("penstock", "console")


def test_a_console_whose_supervisor_was_killed_ends_by_itself(tmp_path):
    (tmp_path / "topology.yaml").write_text("version: 1\nname: desk\nkafka: { bootstrap.servers: '127.0.0.1:1' }\n")
    supervising = f"""
import asyncio, sys
from penstock.service.supervisor import Child, Supervisor
command = (sys.executable, "-m", "penstock", "console", "--port", "0", "-f", {str(tmp_path)!r})
def said(_, line): print(supervisor.pid_of("console"), line, flush=True)
supervisor = Supervisor([Child("console", command, 2.0)], said)
asyncio.run(supervisor.run())
"""
    with subprocess.Popen([sys.executable, "-c", supervising], stdout=subprocess.PIPE, text=True) as parent:
        pid, _, address = parent.stdout.readline().strip().partition(" console: ")
        assert until(lambda: answers(address))
        parent.kill()

    try:
        assert until(lambda: not answers(address)), "the console lives on"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def until(happened):
    """Whether it happens within some seconds."""
    deadline = time.monotonic() + 10
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()


def answers(address):
    """Whether anybody listens there."""
    with socket.socket() as caller:
        return caller.connect_ex((urlsplit(address).hostname, urlsplit(address).port)) == 0
