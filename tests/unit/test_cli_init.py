"""init makes an app that lints, whose handler imports and answers; doctor finds what is wrong with it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.cli.doors import Doors
from penstock.cli.init import starter
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.errors import BrokerUnavailable
from penstock.record import Outgoing
from penstock.topology.reader import read


@pytest.fixture
def app(tmp_path):
    folder = tmp_path / "my app"
    done = CliRunner().invoke(cli, ["init", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def test_the_new_app_carries_the_name_of_its_folder_and_lints(app):
    assert read(app / "topology.yaml", {}).name == "my-app"
    assert CliRunner().invoke(cli, ["lint", "-f", str(app)], obj=Doors(environ={})).exit_code == 0
    assert {path.name for path in app.iterdir()} == {"topology.yaml", "processors", "README.md", ".gitignore"}
    assert "hello-app" not in "".join(path.read_text() for path in app.rglob("*") if path.is_file())


def test_its_handler_can_be_imported_beside_another_package_of_that_name(app, tmp_path):
    squatter = tmp_path / "elsewhere" / "processors"
    squatter.mkdir(parents=True)
    (squatter / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "lint", "--imports", "-f", str(app)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(squatter.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_with_anything_in_it_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = CliRunner().invoke(cli, ["init", str(tmp_path)])
    assert done.exit_code == 2
    assert "not empty" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt"}


def test_a_name_that_kafka_would_refuse_is_refused(tmp_path):
    assert CliRunner().invoke(cli, ["init", str(tmp_path / "x"), "--name", "a b"]).exit_code == 2
    assert not (tmp_path / "x").exists()


def test_the_starter_lies_inside_the_package():
    names = {str(path) for path, _ in starter()}
    assert {"topology.yaml", "processors/hello.py", "README.md", ".gitignore"} <= names
    assert not any("__pycache__" in name for name in names)


def doctor(app, broker, *args):
    doors = Doors(connect=lambda settings: broker, environ={}, patience=0.2)
    done = CliRunner().invoke(cli, ["doctor", "-f", str(app), "-o", "json", *args], obj=doors)
    return done, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_doctor_finds_missing_topics_and_says_what_to_do(app):
    done, found = doctor(app, InMemoryBroker(SystemClock()))
    assert done.exit_code == 1
    assert found["topics"]["state"] == "failed"
    assert "greetings.asked" in found["topics"]["found"]
    assert "penstock apply" in found["topics"]["todo"]
    assert "librdkafka" in found["versions"]["found"]
    assert found["group my-app.hello"]["state"] == "ok"


def test_doctor_is_content_once_applied(app):
    broker = InMemoryBroker(SystemClock())

    async def applied():
        plan = await make_plan(read(app / "topology.yaml", {}), broker.admin())
        await apply(plan, broker.admin(), lambda step: None)

    asyncio.run(applied())
    done, found = doctor(app, broker)
    assert done.exit_code == 0
    assert {check["state"] for check in found.values()} <= {"ok", "skipped"}
    doors = Doors(connect=lambda settings: broker, environ={})
    said = CliRunner().invoke(cli, ["doctor", "-f", str(app)], obj=doors).stdout
    assert said.endswith("nothing is wrong\n")


def test_doctor_imports_when_asked(app):
    (app / "processors" / "hello.py").write_text("import not_installed_anywhere\n")
    path = app / "topology.yaml"
    path.write_text(path.read_text().replace("processors.hello:greet", "brokenapp.hello:greet"))
    (app / "processors").rename(app / "brokenapp")
    done, found = doctor(app, InMemoryBroker(SystemClock()), "--imports")
    assert done.exit_code == 1
    assert "not_installed_anywhere" in found["handler hello"]["found"]


class Gone(InMemoryBroker):
    def admin(self):
        raise BrokerUnavailable("connection refused")


def test_doctor_goes_on_without_a_broker(app):
    done, found = doctor(app, Gone(SystemClock()))
    assert done.exit_code == 1
    assert found["broker"]["state"] == "failed"
    assert "penstock kafka start" in found["broker"]["todo"]
    assert found["topics"]["state"] == "skipped"


def test_doctor_without_a_topology_still_tells_the_versions(tmp_path):
    done, found = doctor(tmp_path, InMemoryBroker(SystemClock()))
    assert done.exit_code == 1
    assert found["versions"]["state"] == "ok"
    assert "penstock init" in found["topology"]["found"]


class Ahead(SystemClock):
    def now(self):
        return super().now() + 60


def test_doctor_doubts_the_clock_when_a_record_comes_from_the_future(app):
    broker = InMemoryBroker(Ahead())

    async def filled():
        await broker.admin().create_topics([NewTopic("greetings.asked", 1)])
        await broker.producer().send(Outgoing("greetings.asked", None, b"{}"))

    asyncio.run(filled())
    _, found = doctor(app, broker)
    assert found["clock"]["state"] == "warning"
    assert "greetings.asked/0@0" in found["clock"]["found"]
    assert Path(app).is_dir()
