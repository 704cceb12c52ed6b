"""What can be said of docker/ without a container engine: the files agree with each other and with the commands."""

from __future__ import annotations

import re
import shlex

import click
import pytest
import yaml
from click.testing import CliRunner
from source_tree import ROOT, metric_names

from penstock.cli.main import VERBS, cli
from penstock.deploy.export.alerts import ALERTS
from penstock.deploy.export.grafana import PANELS
from penstock.topology.reader import read

DOCKER = ROOT / "docker"


@pytest.fixture(scope="module")
def services() -> dict:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))["services"]


def penstock_commands(services) -> list[list[str]]:
    found = []
    for service in services.values():
        said = service.get("command")
        words = shlex.split(said) if isinstance(said, str) else said or []
        if words and words[0] in VERBS:
            found.append([str(word) for word in words])
    return found


def test_every_command_parses(services):
    commands = penstock_commands(services)

    assert {words[0] for words in commands} >= {"apply", "run"}
    for verb, *rest in commands:
        command = cli.get_command(click.Context(cli), verb)
        command.make_context(verb, list(rest), resilient_parsing=False).close()


def test_workers_run_processors_that_exist(services):
    topology = read(ROOT / "topology.yaml", {})

    assert {words[1] for words in penstock_commands(services) if words[0] == "run"} <= set(topology.processors)


def test_prometheus_scrapes_the_port_that_workers_serve(services):
    config = yaml.safe_load((DOCKER / "prometheus.yml").read_text(encoding="utf-8"))
    ports = {words[words.index("--port") + 1] for words in penstock_commands(services) if words[0] == "run"}
    scraped = [
        one
        for job in config["scrape_configs"]
        for one in job.get("dns_sd_configs", [])
        if job["job_name"] == "penstock"
    ]

    assert {str(one["port"]) for one in scraped} == ports
    workers = {name for name, one in services.items() if "run" in str(one.get("command", ""))}
    assert {name for one in scraped for name in one["names"]} == workers


def test_compose_waits_longer_than_a_worker_drains(services):
    topology = read(ROOT / "topology.yaml", {})
    grace = max(one.stop_grace_period for one in topology.processors.values())

    for name, service in services.items():
        if "run" in str(service.get("command", "")):
            assert int(service["stop_grace_period"].removesuffix("s")) > grace, name


def test_image_is_small_minded_and_safe():
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")

    assert text.count("\nFROM ") >= 2, "what builds does not ship"
    assert re.search(r"^USER (?!root|0)\S+", text, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*", text, re.MULTILINE)
    assert "/livez" in text
    for line in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", text, re.MULTILINE):
        assert line.startswith("["), "the exec form: a shell in between would swallow the signal"


def test_image_gets_no_caches_and_no_tests():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()

    assert {".git", ".venv", ".penstock", "tests"} <= set(ignored)


@pytest.mark.parametrize(("what", "file"), [("alerts", "alerts.yml"), ("grafana", "grafana/penstock.json")])
def test_what_is_exported_stands_in_docker(what, file):
    """Written anew by `penstock export alerts --out docker/alerts.yml`, and likewise the dashboard."""
    done = CliRunner().invoke(cli, ["export", what])

    assert (DOCKER / file).read_text(encoding="utf-8") == done.stdout


def test_every_alert_has_a_page_that_begins_with_a_command():
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "runbooks").glob("*.md")}

    assert set(pages) == {alert.name for alert in ALERTS}
    for alert in ALERTS:
        first = alert.run.split(" -")[0]
        assert pages[alert.name].startswith(f"# {alert.name}\n\n```sh\n{first}"), alert.name


def test_alerts_and_graphs_read_metrics_that_exist():
    said = [alert.expr for alert in ALERTS]
    said += [line for panel in PANELS for _, line in panel.lines]
    used = {name for text in said for name in re.findall(r"penstock_[a-z_]+", text)}

    assert used - metric_names() == set()
