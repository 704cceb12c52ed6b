"""Log lines: text for people, JSON for machines; one line per attempt."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from penstock.engine.report import AttemptReport

FORMATS: Final = ("text", "json")
_BOUND: Final = ("run_id", "attempt", "processor")
attempts = logging.getLogger("penstock.attempt")


def configure(log_format: str, level: str = "INFO") -> None:
    """Send everything to standard error. `log_format` is one of FORMATS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "asyncio", "aiokafka"):
        logging.getLogger(chatty).setLevel("WARNING")


class TextLines(logging.Formatter):
    """`12:34:56.789 INFO  worker  message key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; an exception's traceback follows it."""
        when = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
        name = record.name.removeprefix("penstock.")
        said = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        line = f"{when} {record.levelname:<8} {name:<10} {record.getMessage()}"
        line = f"{line} {said}" if said else line
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, and what the line carries."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, always."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", None) or {}
    bound = {name: getattr(record, name) for name in _BOUND if hasattr(record, name)}
    return {**bound, **fields}


def log_attempt(report: AttemptReport) -> None:
    """The line of one attempt: information when it went well, a warning when it did not, an error at its end."""
    fields: dict[str, Any] = {
        "processor": report.processor,
        "run_id": report.run_id,
        "position": str(report.position),
        "attempt": report.attempt,
        "outcome": report.outcome,
        "duration_ms": round(report.duration * 1000, 1),
    }
    if report.lateness is not None:
        fields["lateness_ms"] = round(report.lateness * 1000, 1)
    if report.reason:
        fields["reason"] = report.reason[:300]
    level = {"retried": logging.WARNING, "deferred": logging.WARNING, "dead_lettered": logging.ERROR}
    failure = report.failure
    if failure is not None:
        fields["error"] = f"{failure.type}: {failure.message}"[:500]
        fields["fingerprint"] = failure.fingerprint
    if report.steps:
        fields["steps"] = {step.name: round(step.duration * 1000, 1) for step in report.steps}
    if report.usage:
        fields["tokens_in"] = sum(one.tokens_in for one in report.usage)
        fields["tokens_out"] = sum(one.tokens_out for one in report.usage)
        costs = [one.cost for one in report.usage if one.cost is not None]
        if costs:
            fields["cost"] = round(sum(costs), 6)
    attempts.log(level.get(report.outcome, logging.INFO), "run %s", report.outcome, extra={"fields": fields})
    if failure is not None and failure.trace and report.outcome == "dead_lettered":
        attempts.debug("%s", failure.trace)
