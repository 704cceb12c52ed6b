"""lint, plan, apply and export, called as from a shell, on the broker in memory."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from penstock.broker.in_memory import InMemoryBroker
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.errors import BrokerUnavailable

TEXT = """\
version: 1
name: desk
topics:
  tickets: { partitions: 2 }
  answers: { partitions: 2 }
processors:
  triage:
    handler: agents.triage:triage
    topics: [tickets]
    output: answers
"""


class Shell:
    """An app in a folder, a broker, and a prompt."""

    def __init__(self, folder):
        self.path = folder / "topology.yaml"
        self.path.write_text(TEXT)
        self.broker = InMemoryBroker(SystemClock())

    def __call__(self, verb, *args, connect=None):
        doors = Doors(connect=connect or (lambda settings: self.broker), environ={}, patience=0.2)
        return CliRunner().invoke(cli, [verb, "-f", str(self.path), *map(str, args)], obj=doors)


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


def test_lint_says_ok_and_counts(shell):
    done = shell("lint")
    assert done.exit_code == 0
    assert done.stdout == "ok: desk, 2 topics, 1 processor\n"


def test_lint_prints_every_problem_with_its_place(shell):
    shell.path.write_text(TEXT.replace("topics: [tickets]", "topics: [tikets]\n    concurency: 3"))
    done = shell("lint")
    assert done.exit_code == 2
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{shell.path}:9:")
    assert "did you mean" in lines[1]
    assert json.loads(shell("lint", "-o", "json").stdout)["problems"][0]["line"] == 9


def test_lint_imports_handlers_only_when_asked_and_names_the_line(shell):
    assert shell("lint").exit_code == 0
    done = shell("lint", "--imports")
    assert done.exit_code == 2
    assert done.stdout.startswith(f"{shell.path}:8:14: cannot import 'agents.triage'")


def test_no_topology_file_is_a_usage_error_that_says_what_to_do(shell):
    shell.path.unlink()
    done = shell("plan")
    assert done.exit_code == 2
    assert "penstock init" in done.stderr


def test_the_folder_of_a_topology_will_do(shell):
    done = CliRunner().invoke(cli, ["lint", "-f", str(shell.path.parent)], obj=Doors(environ={}))
    assert done.exit_code == 0


def test_plan_shows_what_would_be_made(shell):
    done = shell("plan")
    assert done.exit_code == 0
    assert "+ tickets  2 partitions\n" in done.stdout
    assert "+ desk.triage.dlt  1 partitions  (triage)\n" in done.stdout
    assert "Plan: 11 topic(s) to create." in done.stdout
    assert shell("plan", "--exit-code").exit_code == 2


def test_plan_as_json_and_yaml_is_nothing_else(shell):
    found = json.loads(shell("plan", "-o", "json").stdout)
    assert found["has_changes"] is True
    assert found["groups"][0]["group"] == "desk.triage"
    assert yaml.safe_load(shell("plan", "-o", "yaml").stdout) == found


def test_apply_needs_somebody_to_agree(shell):
    done = shell("apply")
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert shell("plan", "--exit-code").exit_code == 2, "nothing was made"


def test_apply_makes_it_so_and_again_there_is_nothing_to_do(shell):
    done = shell("apply", "--yes")
    assert done.exit_code == 0
    assert "✓ tickets: created with 2 partitions" in done.stdout
    again = shell("apply", "--yes")
    assert again.exit_code == 0
    assert "Nothing to do." in again.stdout
    assert shell("plan", "--exit-code").exit_code == 0
    assert json.loads(shell("apply", "--yes", "-o", "json").stdout) == {"steps": [], "problems": [], "changed": False}


def test_a_dry_run_changes_nothing(shell):
    done = shell("apply", "--dry-run")
    assert done.exit_code == 0
    assert "+ tickets" in done.stdout
    assert shell("plan", "--exit-code").exit_code == 2


def test_a_saved_plan_is_applied_as_it_is_and_refused_when_the_cluster_moved(shell, tmp_path):
    saved = tmp_path / "plan.json"
    assert shell("plan", "--out", saved).exit_code == 0
    shell.path.write_text(TEXT.replace("partitions: 2", "partitions: 5"))
    assert shell("apply", "--plan", saved).exit_code == 0
    assert "partitions 2 → 5" in shell("plan").stdout
    done = shell("apply", "--plan", saved)
    assert done.exit_code == 1
    assert "the cluster moved since this plan was saved" in done.stderr
    assert "Traceback" not in done.output


def test_what_cannot_be_made_is_said_and_the_rest_is_done(shell):
    shell.path.write_text(TEXT.replace("answers: { partitions: 2 }", "answers: {}"))
    done = shell("apply", "--yes")
    assert done.exit_code == 1
    assert "problem: answers: does not exist" in done.stdout
    assert "✓ tickets" in done.stdout


class Silent(InMemoryBroker):
    """A broker that does not answer."""

    def __init__(self, error=None):
        super().__init__(SystemClock())
        self.error = error

    def admin(self):
        return self

    async def cluster(self):
        import asyncio

        if self.error:
            raise self.error
        await asyncio.sleep(60)


@pytest.mark.parametrize("error", [None, BrokerUnavailable("connection refused")])
@pytest.mark.parametrize("verb", ["plan", "groups", "topics", "ps"])
def test_an_unreachable_broker_is_a_plain_message(shell, verb, error):
    shell.path.write_text(TEXT + "kafka: { bootstrap.servers: nowhere:9092 }\n")
    done = shell(verb, connect=lambda settings: Silent(error))
    assert done.exit_code == 1
    assert "no Kafka answers at nowhere:9092" in done.stderr
    assert "penstock kafka start" in done.stderr
    assert error is None or error.message in done.stderr, "the reason, where the client knows it"
    assert "Traceback" not in done.output


def test_the_json_schema_is_exported(tmp_path):
    done = CliRunner().invoke(cli, ["export", "json-schema"])
    assert done.exit_code == 0
    assert "processors" in json.loads(done.stdout)["properties"]
    CliRunner().invoke(cli, ["export", "json-schema", "--out", str(tmp_path / "s.json")])
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads(done.stdout)


def test_help_imports_neither_verbs_nor_what_they_need():
    code = (
        "import sys; from click.testing import CliRunner; from penstock.cli.main import cli;"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0;"
        "heavy = {'rich', 'confluent_kafka', 'aiokafka', 'yaml', 'penstock.cli.topology', 'penstock.topology.reader'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})


def test_every_listed_verb_is_there():
    from penstock.cli.main import VERBS

    for verb in VERBS:
        done = CliRunner().invoke(cli, [verb, "--help"])
        assert done.exit_code == 0, (verb, done.output, done.exception)


def test_an_unknown_verb_gets_a_suggestion():
    done = CliRunner().invoke(cli, ["plam"])
    assert done.exit_code == 2
    assert "Did you mean 'plan'?" in done.stderr
