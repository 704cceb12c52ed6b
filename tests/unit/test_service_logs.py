"""Log lines: one per attempt, text or JSON, whatever they carry."""

import json
import logging

import pytest

from penstock.engine.outcome import Failure
from penstock.engine.report import AttemptReport
from penstock.record import Record
from penstock.service.logs import JsonLines, TextLines, attempts, log_attempt

FAILURE = Failure("ValueError", 'said "no"\nand more', "0123456789abcdef")


def _report(outcome="done", failure=None, lateness=None):
    record = Record("tickets.new", 3, 42, 0, None, b"{}")
    return AttemptReport(
        "triage", "run-1", record, 2, outcome, failure.message if failure else "", 1.25, lateness, failure
    )


@pytest.fixture
def lines():
    caught = []

    class Catch(logging.Handler):
        def emit(self, record):
            caught.append(record)

    handler = Catch()
    attempts.addHandler(handler)
    attempts.setLevel("DEBUG")
    yield caught
    attempts.removeHandler(handler)


def test_one_json_line_with_what_happened(lines):
    log_attempt(_report("retried", FAILURE, lateness=0.5))
    written = JsonLines().format(lines[0])
    assert "\n" not in written
    said = json.loads(written)
    assert said["level"] == "warning"
    assert said["run_id"] == "run-1"
    assert said["attempt"] == 2
    assert said["outcome"] == "retried"
    assert said["duration_ms"] == 1250.0
    assert said["lateness_ms"] == 500.0
    assert said["position"] == "tickets.new/3@42"
    assert said["error"].startswith("ValueError: said")
    assert said["fingerprint"] == "0123456789abcdef"


@pytest.mark.parametrize(
    ("outcome", "level"), [("done", "INFO"), ("deferred", "WARNING"), ("dead_lettered", "ERROR"), ("skipped", "INFO")]
)
def test_level_follows_the_outcome(lines, outcome, level):
    log_attempt(_report(outcome))
    assert lines[0].levelname == level


def test_text_line_has_the_fields(lines):
    log_attempt(_report())
    written = TextLines().format(lines[0])
    assert "run done" in written
    assert "outcome=done" in written
    assert "attempt" in written


def test_a_handlers_own_line_is_bound_to_its_run():
    record = logging.LogRecord("penstock.app.triage", logging.INFO, "f.py", 1, "hello %s", ("Ada",), None)
    record.run_id, record.attempt, record.processor = "run-1", 1, "triage"
    said = json.loads(JsonLines().format(record))
    assert (said["run_id"], said["attempt"], said["message"]) == ("run-1", 1, "hello Ada")
