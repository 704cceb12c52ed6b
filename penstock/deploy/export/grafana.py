"""A Grafana dashboard over the workers' metrics: is work done, does it wait, does it fail, what does it cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_CHOSEN: Final = '{processor=~"$processor"}'
_COLUMNS: Final = 3
_WIDTH, _HEIGHT = 8, 8  # of 24 columns
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph. `lines` are (legend, expression) pairs; `#` in an expression stands for the chosen processors."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    about: str


def _rate(metric: str, by: str = "processor") -> str:
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "processor") -> str:
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({metric}[$__rate_interval])))"


PANELS: Final = (
    Panel(
        "Attempts by outcome",
        "ops",
        (("{{processor}} {{outcome}}", _rate("penstock_runs_total#", "processor, outcome")),),
        "What ended, and how.",
    ),
    Panel(
        "True backlog",
        "short",
        (("{{processor}}", "sum by (processor) (penstock_true_backlog#)"),),
        "Records not finished, retry and replay topics included.",
    ),
    Panel(
        "Oldest unfinished event",
        "s",
        (("{{processor}}", "max by (processor) (penstock_oldest_unfinished_age_seconds#)"),),
        "The best single figure of how well people are served.",
    ),
    Panel(
        "In flight and asked concurrency",
        "short",
        (
            ("{{processor}} running", "sum by (processor) (penstock_in_flight#)"),
            ("{{processor}} at most", "sum by (processor) (penstock_concurrency#)"),
        ),
        "Equal for long: every slot is busy.",
    ),
    Panel(
        "Time of an attempt",
        "s",
        (
            ("{{processor}} p50", _quantile(0.5, "penstock_run_duration_seconds_bucket#")),
            ("{{processor}} p99", _quantile(0.99, "penstock_run_duration_seconds_bucket#")),
        ),
        "From the start of the handler to its hand-off.",
    ),
    Panel(
        "Retries and deferrals",
        "ops",
        (
            ("{{processor}} retried", _rate("penstock_retries_total#")),
            ("{{processor}} deferred", _rate("penstock_deferrals_total#")),
        ),
        "Deferrals spend no attempt: a provider that limits, or a schema that is missing.",
    ),
    Panel(
        "Dead letters by reason",
        "short",
        (
            (
                "{{processor}} {{reason}}",
                "sum by (processor, reason) (increase(penstock_dead_letters_total#[$__rate_interval]))",
            ),
        ),
        "Work that was given up. penstock dlt ls shows it.",
    ),
    Panel(
        "Lateness of retries, p99",
        "s",
        (("{{processor}}", _quantile(0.99, "penstock_lateness_seconds_bucket#")),),
        "Start minus due time.",
    ),
    Panel(
        "Hand-offs that wait",
        "short",
        (
            ("{{processor}} waiting", "sum by (processor) (penstock_hand_offs_waiting#)"),
            ("{{processor}} unacknowledged", "sum by (processor) (penstock_producer_queue#)"),
        ),
        "Kafka does not take them; nothing is lost, their offsets stand still.",
    ),
    Panel(
        "Workers in their group",
        "short",
        (("{{processor}}", "sum by (processor) (penstock_joined#)"),),
        "Members that take part now.",
    ),
    Panel(
        "Rebalances, partitions lost, stale results",
        "ops",
        (
            ("{{processor}} rebalances", _rate("penstock_rebalances_total#")),
            ("{{processor}} partitions lost", _rate("penstock_partitions_lost_total#")),
            ("{{processor}} stale results", _rate("penstock_stale_results_total#")),
        ),
        "Lost: a worker was silent for too long.",
    ),
    Panel(
        "Commits and their failures",
        "ops",
        (
            ("{{processor}} commits", _rate("penstock_commits_total#")),
            ("{{processor}} failures", _rate("penstock_commit_failures_total#")),
        ),
        "A failure is repeated work after a crash, never a loss.",
    ),
    Panel(
        "Tokens",
        "short",
        (("{{processor}} {{model}} {{direction}}", _rate("penstock_tokens_total#", "processor, model, direction")),),
        "What the models read and wrote, per second.",
    ),
    Panel(
        "Steps, p95",
        "s",
        (
            (
                "{{processor}} {{step}}",
                _quantile(0.95, "penstock_step_duration_seconds_bucket#", "processor, step"),
            ),
        ),
        "How long each step of a handler takes.",
    ),
    Panel(
        "Records lost to retention",
        "short",
        (("{{processor}}", "sum by (processor) (increase(penstock_records_lost_total#[$__rate_interval]))"),),
        "Must be empty.",
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana stores it."""
    return {
        "uid": "penstock",
        "title": "penstock",
        "tags": ["kafka", "agents"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": list(_variables())},
        "panels": [_panel(index, panel) for index, panel in enumerate(PANELS)],
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    yield {
        "name": "processor",
        "label": "Processor",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(penstock_joined, processor)",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(index: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(index, _COLUMNS)
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": _SOURCE,
                "expr": expression.replace("#", _CHOSEN),
                "legendFormat": legend,
            }
            for at, (legend, expression) in enumerate(panel.lines)
        ],
    }
