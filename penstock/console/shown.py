"""How attempts are chosen and spelled on the runs pages: filters from a query, a row from an attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.console.desk import NotThere
from penstock.console.render import took, when
from penstock.durations import seconds
from penstock.runs.decoding import RanAttempt
from penstock.runs.reading import FAILED, RunFilters

OUTCOMES = ("done", "retried", "deferred", "dead_lettered", "skipped", "abandoned")


def run_filters(query: Mapping[str, str]) -> Callable[[RanAttempt], bool]:
    """Whether a query of the runs page means an attempt."""
    outcome, processor = query.get("outcome", ""), query.get("processor", "")
    key, found_id = query.get("key", ""), query.get("id", "")

    def means(one: RanAttempt) -> bool:
        return (
            (not outcome or one.outcome == outcome or (outcome == "failed" and one.outcome in FAILED))
            and processor in ("", one.processor)
            and (not key or key == one.key)
            and (not found_id or found_id in (one.run_id, one.event_id, one.correlation_id))
        )

    return means


def reading_filters(query: Mapping[str, str], now: float, limit: int) -> RunFilters:
    """The same for the log. Raises NotThere for an age that is none."""
    outcome = query.get("outcome", "")
    since = query.get("since", "1h")
    try:
        begin = int((now - seconds(since)) * 1000) if since not in ("", "all") else None
    except ValueError as error:
        raise NotThere(f"{since} is no age: {error}", "write 15m, 2h, 7d, or all") from error
    return RunFilters(
        failed=outcome == "failed",
        outcome=outcome if outcome in OUTCOMES else None,
        processor=query.get("processor") or None,
        key=query.get("key") or None,
        id=query.get("id") or None,
        since=begin,
        slowest=query.get("sort") == "slowest",
        limit=limit,
    )


def attempt_values(one: RanAttempt) -> dict[str, Any]:
    """One attempt as a row."""
    return {
        "run_id": one.run_id,
        "started": when(one.started),
        "processor": one.processor,
        "key": one.key,
        "type": one.type,
        "attempt": one.attempt,
        "outcome": one.outcome,
        "duration": took(one.duration),
        "reason": one.reason,
    }
