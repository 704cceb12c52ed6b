"""Prometheus alert rules: one declaration of what to be woken by, and of the command to begin with.

Thresholds are a start: set them to your own promises. Each alert has a page of its name in `docs/runbooks/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Severity = Literal["page", "ticket"]


@dataclass(frozen=True, slots=True)
class Alert:
    """`expr` true for `lasting` (Prometheus' own spelling) raises it; `run` is what to type first."""

    name: str
    severity: Severity
    expr: str
    summary: str
    run: str
    lasting: str = "0m"


ALERTS: Final = (
    Alert(
        "NoProgress",
        "page",
        "sum by (processor) (penstock_frontier_lag) > 0"
        " and sum by (processor) (increase(penstock_runs_total[10m])) == 0",
        "{{ $labels.processor }}: records wait, and not one attempt ended in ten minutes",
        "penstock groups",
        "5m",
    ),
    Alert(
        "RecordsLost",
        "page",
        "sum by (processor) (increase(penstock_records_lost_total[10m])) > 0",
        "{{ $labels.processor }}: retention removed records before they were read",
        "penstock doctor",
    ),
    Alert(
        "HandOffsFailing",
        "page",
        "sum by (processor) (penstock_hand_offs_waiting) > 0",
        "{{ $labels.processor }}: Kafka does not take retries or dead letters; nothing is lost, and they stand still",
        "penstock doctor",
        "5m",
    ),
    Alert(
        "Zombie",
        "page",
        'up{job="penstock"} == 0',
        "{{ $labels.instance }}: a worker does not answer; its partitions may stand still",
        "penstock ps",
        "1m",
    ),
    Alert(
        "EventsWaitTooLong",
        "page",
        "max by (processor) (penstock_oldest_unfinished_age_seconds) > 900",
        "{{ $labels.processor }}: its oldest event waits for more than 15 minutes",
        "penstock groups",
        "5m",
    ),
    Alert(
        "NobodyWorks",
        "page",
        "count by (processor) (max_over_time(penstock_joined[1h]))"
        " unless count by (processor) (penstock_joined == 1) or absent(penstock_joined)",
        "{{ $labels.processor }}: no worker is a member of its group",
        "penstock ps",
        "1m",
    ),
    Alert(
        "BreakerOpen",
        "page",
        "max by (processor, breaker) (penstock_breaker_state) > 0",  # half open too: between two probes it is open
        "{{ $labels.processor }}: nothing is taken, breaker {{ $labels.breaker }} is open",
        "penstock groups",
        "5m",
    ),
    Alert(
        "DeadLettersRising",
        "ticket",
        "sum by (processor, reason) (increase(penstock_dead_letters_total[15m])) > 0",
        "{{ $labels.processor }}: dead letters, {{ $labels.reason }}",
        "penstock dlt ls -p {{ $labels.processor }} --clusters",
    ),
    Alert(
        "RetriesLate",
        "ticket",
        "histogram_quantile(0.99, sum by (processor, le) (rate(penstock_lateness_seconds_bucket[15m]))) > 5",
        "{{ $labels.processor }}: retries start more than 5 s late",
        "penstock groups",
        "15m",
    ),
    Alert(
        "BacklogGrows",
        "ticket",
        "sum by (processor) (deriv(penstock_true_backlog[1h])) > 0"
        " and sum by (processor) (penstock_true_backlog) > 1000",
        "{{ $labels.processor }}: more comes in than goes out, for an hour",
        "penstock groups",
        "1h",
    ),
    Alert(
        "Saturated",
        "ticket",
        "avg by (processor) (penstock_saturation) > 0.95",
        "{{ $labels.processor }}: every slot is busy",
        "penstock groups",
        "15m",
    ),
    Alert(
        "PartitionsSuspicious",
        "ticket",
        "sum by (processor) (penstock_partitions_suspicious) > 0",
        "{{ $labels.processor }}: an event kills its workers",
        "penstock dlt ls -p {{ $labels.processor }} --reason crashed",
        "5m",
    ),
    Alert(
        "PartitionsLost",
        "ticket",
        "sum by (processor) (increase(penstock_partitions_lost_total[1h])) > 0",
        "{{ $labels.processor }}: a worker was silent for too long; what it ran may have run twice",
        "penstock doctor",
    ),
    Alert(
        "CommitsFail",
        "ticket",
        "sum by (processor) (rate(penstock_commit_failures_total[15m])) > 0",
        "{{ $labels.processor }}: commits are refused or not answered; a crash now would repeat more than it should",
        "penstock doctor",
        "15m",
    ),
    Alert(
        "ForeignCommits",
        "ticket",
        "sum by (group) (increase(penstock_foreign_metadata_total[1h])) > 0",
        "{{ $labels.group }}: another program commits in this group",
        "penstock ps",
    ),
)


def rules() -> dict[str, Any]:
    """The rule file."""
    groups = {"page": "penstock-wake-somebody", "ticket": "penstock-look-today"}
    return {
        "groups": [
            {"name": name, "rules": [_rule(alert) for alert in ALERTS if alert.severity == severity]}
            for severity, name in groups.items()
        ]
    }


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **({"for": alert.lasting} if alert.lasting != "0m" else {}),
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "run": alert.run,
            "runbook": f"docs/runbooks/{alert.name}.md",
        },
    }
