"""The records a run leaves in its own topics: retry, hop, dead letter. Key, value and foreign headers unchanged."""

from __future__ import annotations

from penstock import headers as wire
from penstock.engine.outcome import Failure
from penstock.engine.run import Run
from penstock.event import Origin
from penstock.record import Header, Outgoing, Record

_KEPT = (wire.REPLAY_ID, wire.REPLAY_COUNT)


def read_history(run: Run) -> None:
    """Take over what the run's own retry or replay record says of earlier attempts."""
    headers = run.record.headers
    run.attempts = wire.number(headers, wire.ATTEMPT) or 0
    run.deferrals = wire.number(headers, wire.DEFERRALS) or 0
    run.first_failure = wire.number(headers, wire.FIRST_FAILURE) or 0
    run.run_id = wire.text(headers, wire.RUN_ID) or ""


def not_before(record: Record) -> float:
    """The final due time of a retry record in epoch seconds, 0 where it names none."""
    return (wire.number(record.headers, wire.NOT_BEFORE) or 0) / 1000


def origin_of(record: Record, *, own: bool) -> Origin:
    """Where the record first stood; only a record of an own topic is believed."""
    headers = record.headers if own else ()
    topic = wire.text(headers, wire.ORIGIN_TOPIC)
    if topic is None:
        return Origin(record.topic, record.partition, record.offset, record.timestamp)
    return Origin(
        topic,
        wire.number(headers, wire.ORIGIN_PARTITION) or 0,
        wire.number(headers, wire.ORIGIN_OFFSET) or 0,
        wire.number(headers, wire.ORIGIN_TIMESTAMP) or 0,
    )


def retry_record(run: Run, topic: str, due: float, failure: Failure, run_id: str) -> Outgoing:
    """For a retry topic: not to be handled before `due` (epoch seconds). Attempts and deferrals as on the run."""
    ours = [
        *_history(run, run_id),
        wire.line(wire.NOT_BEFORE, round(due * 1000)),
        *_kept(run),
        *error_headers(failure),
    ]
    return Outgoing(topic, run.record.key, run.record.value, (*wire.foreign(run.record.headers), *ours))


def hop_record(run: Run, topic: str) -> Outgoing:
    """For a further retry topic, since the due time is not reached: everything as it is."""
    return Outgoing(topic, run.record.key, run.record.value, run.record.headers)


def dead_letter_record(
    run: Run, topic: str, group: str, reason: str, failure: Failure, run_id: str, *, with_error: bool = True
) -> Outgoing:
    """For the dead letter topic; without our error headers where the broker refuses it for its size."""
    ours = [
        *_history(run, run_id),
        wire.line(wire.GROUP, group),
        wire.line(wire.REASON, reason),
        *_kept(run),
        *(error_headers(failure) if with_error else ()),
    ]
    return Outgoing(topic, run.record.key, run.record.value, (*wire.foreign(run.record.headers), *ours))


def error_headers(failure: Failure) -> list[Header]:
    """The three error headers, 2 KiB in all at most."""
    type_ = _cut(failure.type, 256)
    room = wire.ERROR_LIMIT - len(type_) - len(failure.fingerprint)
    return [
        (wire.ERROR_TYPE, type_),
        (wire.ERROR_MESSAGE, _cut(failure.message, room)),
        wire.line(wire.ERROR_FINGERPRINT, failure.fingerprint),
    ]


def _history(run: Run, run_id: str) -> list[Header]:
    origin = origin_of(run.record, own=run.partition.own)
    return [
        wire.line(wire.RUN_ID, run_id),
        wire.line(wire.ATTEMPT, run.attempts),
        wire.line(wire.DEFERRALS, run.deferrals),
        wire.line(wire.ORIGIN_TOPIC, origin.topic),
        wire.line(wire.ORIGIN_PARTITION, origin.partition),
        wire.line(wire.ORIGIN_OFFSET, origin.offset),
        wire.line(wire.ORIGIN_TIMESTAMP, origin.timestamp),
        wire.line(wire.FIRST_FAILURE, run.first_failure),
    ]


def _kept(run: Run) -> list[Header]:
    if not run.partition.own:
        return []
    return [pair for pair in run.record.headers if pair[0] in _KEPT]


def _cut(text: str, limit: int) -> bytes:
    """UTF-8 of `text`, at most `limit` bytes, no character broken; what UTF-8 cannot say is replaced."""
    raw = text.encode(errors="replace")
    return raw if len(raw) <= limit else raw[:limit].decode(errors="ignore").encode()
