"""Prometheus' own promtool plays series into the exported rules: each alert fires on its trouble."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from penstock.deploy.export.alerts import ALERTS, Alert, rules

BY_NAME = {alert.name: alert for alert in ALERTS}
TRIAGE = {"processor": "triage"}


@dataclass(frozen=True)
class Trouble:
    """Series that raise an alert: `quiet` is a minute before it (None where it is there at once), `at` one within."""

    series: dict[str, str]
    at: int
    labels: dict[str, str]
    quiet: int | None = None


TROUBLES = {
    "NoProgress": Trouble(
        {'penstock_frontier_lag{processor="triage"}': "50x30", 'penstock_runs_total{processor="triage"}': "7x30"},
        20,
        TRIAGE,
        quiet=3,
    ),
    "RecordsLost": Trouble({'penstock_records_lost_total{processor="triage"}': "0x5 40x10"}, 8, TRIAGE, quiet=4),
    "HandOffsFailing": Trouble({'penstock_hand_offs_waiting{processor="triage"}': "3x20"}, 10, TRIAGE, quiet=3),
    "Zombie": Trouble(
        {'up{job="penstock",instance="10.0.0.7:9100"}': "1x5 0x10"},
        9,
        {"job": "penstock", "instance": "10.0.0.7:9100"},
        quiet=4,
    ),
    "EventsWaitTooLong": Trouble(
        {'penstock_oldest_unfinished_age_seconds{processor="triage"}': "0+60x40"}, 25, TRIAGE, quiet=14
    ),
    "NobodyWorks": Trouble(
        {
            'penstock_joined{processor="triage",instance="a"}': "1x10 0x10",
            'penstock_joined{processor="answer",instance="b"}': "1x20",
        },
        15,
        TRIAGE,
        quiet=9,
    ),
    "BreakerOpen": Trouble(
        {'penstock_breaker_state{processor="triage",breaker="openai",instance="a"}': "0x5 2 1 2 1 2 1 2 1 2x20"},
        12,
        {**TRIAGE, "breaker": "openai"},
        quiet=9,
    ),
    "DeadLettersRising": Trouble(
        {'penstock_dead_letters_total{processor="triage",reason="exhausted"}': "0x5 2x20"},
        10,
        {**TRIAGE, "reason": "exhausted"},
        quiet=4,
    ),
    "RetriesLate": Trouble(
        {
            'penstock_lateness_seconds_bucket{processor="triage",le="5"}': "0x60",
            'penstock_lateness_seconds_bucket{processor="triage",le="10"}': "0+10x60",
            'penstock_lateness_seconds_bucket{processor="triage",le="+Inf"}': "0+10x60",
        },
        40,
        TRIAGE,
        quiet=10,
    ),
    "BacklogGrows": Trouble({'penstock_true_backlog{processor="triage"}': "0+100x200"}, 150, TRIAGE, quiet=30),
    "Saturated": Trouble({'penstock_saturation{processor="triage"}': "1x40"}, 30, TRIAGE, quiet=10),
    "PartitionsSuspicious": Trouble({'penstock_partitions_suspicious{processor="triage"}': "1x20"}, 10, TRIAGE),
    "PartitionsLost": Trouble({'penstock_partitions_lost_total{processor="triage"}': "0x5 4x20"}, 10, TRIAGE, quiet=4),
    "CommitsFail": Trouble({'penstock_commit_failures_total{processor="triage"}': "0+1x60"}, 40, TRIAGE, quiet=10),
    "ForeignCommits": Trouble(
        {'penstock_foreign_metadata_total{processor="triage",group="desk.triage"}': "0x5 1x20"},
        10,
        {"group": "desk.triage"},
        quiet=4,
    ),
}
HEALTHY = {
    'up{job="penstock",instance="10.0.0.7:9100"}': "1x200",
    'penstock_joined{processor="triage",instance="a"}': "1x200",
    'penstock_frontier_lag{processor="triage"}': "900x200",
    'penstock_true_backlog{processor="triage"}': "800x200",
    'penstock_runs_total{processor="triage",outcome="done"}': "0+500x200",
    'penstock_hand_offs_waiting{processor="triage"}': "0x200",
    'penstock_oldest_unfinished_age_seconds{processor="triage"}': "40x200",
    'penstock_saturation{processor="triage"}': "0.8x200",
    'penstock_breaker_state{processor="triage",breaker="openai"}': "0x20 2 1 0x180",
    'penstock_partitions_suspicious{processor="triage"}': "0x200",
    'penstock_dead_letters_total{processor="triage",reason="rejected"}': "3x200",
}


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        missing = "promtool is not installed (Debian: prometheus)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture
def judge(promtool, tmp_path):
    """A function that puts one of promtool's tests to the exported rules; gives what it says, '' where all is well."""
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules()))

    def judged(series: dict[str, str], expected: list[dict]) -> str:
        test = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": expected,
        }
        path = tmp_path / "test.yml"
        path.write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [test]}))
        done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return judged


def silence(name: str, minute: int) -> dict:
    return {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []}


def alarm(alert: Alert, minute: int, labels: dict[str, str]) -> dict:
    def filled(text: str) -> str:
        return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found.group(1)], text)

    annotations = next(
        rule["annotations"] for group in rules()["groups"] for rule in group["rules"] if rule["alert"] == alert.name
    )
    expected = {
        "exp_labels": {"severity": alert.severity, **labels},
        "exp_annotations": {key: filled(text) for key, text in annotations.items()},
    }
    return {"eval_time": f"{minute}m", "alertname": alert.name, "exp_alerts": [expected]}


def test_every_alert_has_its_trouble():
    assert set(TROUBLES) == set(BY_NAME)


@pytest.mark.parametrize("name", TROUBLES)
def test_an_alert_fires_on_its_trouble_and_not_before(judge, name):
    trouble = TROUBLES[name]
    before = [silence(name, trouble.quiet)] if trouble.quiet is not None else []

    assert judge(trouble.series, [*before, alarm(BY_NAME[name], trouble.at, trouble.labels)]) == ""


def test_a_busy_and_healthy_worker_wakes_nobody(judge):
    assert judge(HEALTHY, [silence(name, 150) for name in BY_NAME]) == ""


def test_the_files_in_docker_are_accepted(promtool):
    config = Path(__file__).parents[2] / "docker" / "prometheus.yml"
    done = subprocess.run([promtool, "check", "config", str(config)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
