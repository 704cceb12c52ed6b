"""Attempts as people and programs read them: a row, an object, a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.cli.output import indented, plain, say, table

if TYPE_CHECKING:
    from penstock.runs.decoding import RanAttempt

ATTEMPT_COLUMNS = ("STARTED", "PROCESSOR", "OUTCOME", "ATT", "QUEUED", "RAN", "COST", "KEY", "EVENT", "REASON", "RUN")


def clock_time(seconds: float) -> str:
    """Epoch seconds as RFC 3339, UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(seconds: float) -> str:
    """A duration as one reads it: "0ms", "340ms", "2.5s", "3m10s", "1h02m"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def money(cost: float | None) -> str | None:
    """A cost with four significant digits; None where it is not known."""
    return None if cost is None else f"{cost:.4g}"


def attempt_row(one: RanAttempt) -> tuple[Any, ...]:
    """An attempt as a row of ATTEMPT_COLUMNS."""
    reason = (f"{one.error.type}: {one.error.message}" if one.error else one.reason).splitlines()
    return (
        clock_time(one.started),
        one.processor,
        one.outcome,
        one.attempt,
        span(one.queued),
        span(one.duration),
        money(one.cost),
        one.key,
        one.event_id,
        reason[0][:60] if reason else None,
        one.run_id,
    )


def attempt_view(one: RanAttempt) -> dict[str, Any]:
    """An attempt for programs: as recorded, with cost and tokens summed up."""
    found: dict[str, Any] = plain(one)
    found["cost"] = one.cost
    found["tokens_in"], found["tokens_out"] = one.tokens
    return found


def print_run(attempts: Sequence[RanAttempt]) -> None:
    """Print all there is to say about the attempts of a run (or of one event's runs)."""
    first = attempts[0]
    table(
        ("RUN", ""),
        [
            ("run", first.run_id if len({one.run_id for one in attempts}) == 1 else "several, see below"),
            ("event", f"{first.type or '(no type)'} {first.event_id}"),
            ("first stood", first.origin),
            ("key", first.key),
            ("correlation", first.correlation_id),
            ("caused by", first.causation_id or None),
        ],
    )
    for one in attempts:
        say("")
        _print_attempt(one)


def _print_attempt(one: RanAttempt) -> None:
    title = f"attempt {one.attempt}" + (f", deferral {one.deferrals + 1}" if one.outcome == "deferred" else "")
    say(f"{one.processor} {title}: {one.outcome}", style="good" if one.outcome == "done" else "bad")
    lines = [
        ("started", clock_time(one.started)),
        ("queued", span(one.queued) + (f", {span(one.lateness)} late" if one.lateness is not None else "")),
        ("ran", span(one.duration)),
        ("at", one.at),
        ("worker", one.worker + (f", code {one.code}" if one.code else "")),
        *([("run", one.run_id)]),
        *([("reason", one.reason)] if one.reason and not one.error else []),
        *([("error", f"{one.error.type}: {one.error.message}")] if one.error else []),
        *([("fingerprint", one.error.fingerprint)] if one.error else []),
        *([("replay", f"{one.replay_id} of {one.replayed_from}")] if one.replay_id else []),
        *(("sent", position) for position in one.sent),
        *([("", f"... {one.sent_count} in all")] if one.sent_count > len(one.sent) else []),
    ]
    table(("", ""), lines)
    if one.steps:
        rows = [(step.name, span(step.at), span(step.duration), step.error or None) for step in one.steps]
        table(("STEP", "AT", "TOOK", "RAISED"), rows)
        if one.steps_left_out:
            say(f"and {one.steps_left_out} further steps", style="dim")
    if one.usage:
        used = [(use.model, use.calls, use.tokens_in, use.tokens_out, use.tool_calls, use.cost) for use in one.usage]
        table(("MODEL", "CALLS", "TOKENS IN", "TOKENS OUT", "TOOL CALLS", "COST"), used)
    if one.data is not None:
        say(indented(one.data))
    if one.error and one.error.trace:
        say(one.error.trace.rstrip(), style="dim")
