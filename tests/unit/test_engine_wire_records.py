"""The records of retries and dead letters: foreign headers as they are, ours replaced, errors within 2 KiB."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.failure import failure_of, fingerprint
from penstock.engine.outcome import Failure
from penstock.engine.run import Run
from penstock.engine.wire_records import dead_letter_record, error_headers, hop_record, read_history, retry_record
from penstock.record import Record

names = st.text(min_size=1, max_size=8).filter(lambda name: not name.startswith("penstock-"))
foreign_headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=8)), max_size=6)


def run_of(topic: str, headers: Any, *, own: bool) -> Run:
    return Run(Record(topic, 2, 7, 1000, b"\xff", b"\x00v", headers), SimpleNamespace(own=own))  # type: ignore[arg-type]


@settings(deadline=None)
@given(foreign=foreign_headers, message=st.text(max_size=4000))
def test_hops_change_nothing_foreign_and_stack_nothing(foreign: list[tuple[str, bytes | None]], message: str) -> None:
    failure = Failure("ValueError", message, "0" * 16)
    run = run_of("src", [*foreign, ("penstock-attempt", b"50")], own=False)
    run.attempts, run.deferrals, run.first_failure = 1, 4, 123
    for _ in range(3):
        sent = retry_record(run, "g.retry.5s", 17.5, failure, "run-1")
        assert (sent.key, sent.value) == (b"\xff", b"\x00v")
        assert list(sent.headers[: len(foreign)]) == foreign
        ours = [name for name, _ in sent.headers[len(foreign) :]]
        assert len(ours) == len(set(ours))
        run = run_of("g.retry.5s", sent.headers, own=True)
        read_history(run)
        assert (run.attempts, run.deferrals, run.first_failure, run.run_id) == (1, 4, 123, "run-1")
        assert hop_record(run, "x").headers == sent.headers
    letter = dead_letter_record(run, "g.dlt", "g", "exhausted", failure, "run-1")
    assert list(letter.headers[: len(foreign)]) == foreign
    said = dict(letter.headers[len(foreign) :])
    assert (said["penstock-origin-topic"], said["penstock-origin-offset"]) == (b"src", b"7")
    assert "penstock-not-before" not in said


@settings(deadline=None)
@given(kind=st.text(max_size=3000), message=st.text(max_size=9000))
def test_error_headers_fit_into_two_kibibytes(kind: str, message: str) -> None:
    found = error_headers(Failure(kind, message, "0" * 16))
    assert sum(len(value or b"") for _, value in found) <= 2048
    for _, value in found:
        (value or b"").decode()


def test_replay_marks_stay_on_own_topics_only() -> None:
    marks = [("penstock-replay-id", b"r"), ("penstock-replay-count", b"2")]
    failure = Failure("E", "m", "0" * 16)
    kept = dict(retry_record(run_of("g.replay", marks, own=True), "x", 0, failure, "r").headers)
    assert kept["penstock-replay-count"] == b"2"
    assert "penstock-replay-id" not in dict(retry_record(run_of("src", marks, own=False), "x", 0, failure, "r").headers)


def test_equal_causes_share_a_fingerprint() -> None:
    first = fingerprint("p", "ValueError", "a.py:f", "no ticket 17 named 'lost card'")
    assert first == fingerprint("p", "ValueError", "a.py:f", "no ticket 4 named 'stolen car'")
    assert first != fingerprint("q", "ValueError", "a.py:f", "no ticket 17 named 'lost card'")
    assert first != fingerprint("p", "KeyError", "a.py:f", "no ticket 17 named 'lost card'")
    assert first != fingerprint("p", "ValueError", "a.py:g", "no ticket 17 named 'lost card'")
    assert len(first) == 16


def test_the_own_frame_counts_and_not_the_librarys() -> None:
    import json

    def agent() -> None:
        json.loads("{")

    try:
        agent()
    except ValueError as error:
        here = failure_of(error, "p", Path(__file__).parent)
        expected = fingerprint("p", here.type, f"{Path(__file__).name}:agent", here.message)
        assert here.fingerprint == expected
        assert here.type == "json.decoder.JSONDecodeError"
