"""A report as the JSON object of its run record. Made once per event, so headers are read once, defaults omitted."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from penstock import headers as wire
from penstock.engine.outcome import Failure
from penstock.engine.report import AttemptReport
from penstock.errors import CodecError
from penstock.record import Record
from penstock.runs import fields
from penstock.runs.masking import masked
from penstock.runs.tracebacks import Tracebacks
from penstock.schema import structured
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.schema.identity import is_own_topic
from penstock.topology.model import Runs, Topology

MOST_SENT: Final = 100  # positions
_TRACE: Final = 8000  # characters; the innermost frames are the last
_TEXT: Final = 1000
_DATA: Final = 16 << 10  # bytes
_STRUCTURED: Final = b"application/cloudevents"


class Encoder:
    """Makes the records of one processor's attempts."""

    def __init__(self, topology: Topology, processor: str, *, worker: str, code: str) -> None:
        group = topology.processors[processor].group_id
        self._group = group
        self._settings: Runs = topology.runs
        self._types = {name: topic.type or "" for name, topic in topology.topics.items()}
        self._own: dict[str, bool] = {}
        self._opener = Opener(topology, group, Codec(topology))
        self._tracebacks = Tracebacks()
        self._head = {
            fields.V: fields.VERSION,
            fields.WORKER: worker,
            fields.CODE: code,
            fields.GROUP: group,
            fields.PROCESSOR: processor,
        }

    def batch(self, reports: Sequence[AttemptReport]) -> tuple[bytes | None, int]:
        """The value of one record, and how many attempts are in it; None where the sample leaves all of them out."""
        attempts = [self.attempt(report) for report in reports]
        if self._settings.sample < 1:
            attempts = [one for one in attempts if self._sampled(one)]
        if not attempts:
            return None, 0
        return orjson.dumps({**self._head, fields.ATTEMPTS: attempts}, default=str), len(attempts)

    def attempt(self, report: AttemptReport) -> dict[str, Any]:
        """One attempt as JSON can say it."""
        record = report.record
        headers = dict(record.headers)
        own = self._own.get(record.topic)
        if own is None:
            own = self._own[record.topic] = is_own_topic(self._group, record.topic)
        found: dict[str, Any] = {
            fields.RUN: report.run_id,
            fields.AT: f"{record.topic}/{record.partition}@{record.offset}",
            fields.OUTCOME: report.outcome,
            fields.STARTED: int(report.started * 1000),
            fields.QUEUED: int(report.queued * 1000),
            fields.RAN: int(report.duration * 1000) if report.duration >= 1 else round(report.duration * 1000, 2),
        }
        content_type = headers.get(wire.CONTENT_TYPE)
        if content_type is not None and content_type.startswith(_STRUCTURED) and structured.is_structured(content_type):
            headers |= dict(self._opener.glance(record).record.headers)
        self._identity(found, record, headers, own=own)
        if own:
            _replayed(found, headers)
        if report.outcome != "done" or report.attempt > 1:
            _trouble(found, report)
        if report.failure is not None:
            found[fields.ERROR] = self._error(report.failure)
        if report.steps or report.usage or report.sent:
            _work(found, report)
        if self._settings.payloads:
            self._payload(found, record)
        return found

    def _identity(
        self, found: dict[str, Any], record: Record, headers: Mapping[str, bytes | None], *, own: bool
    ) -> None:
        origin = found[fields.AT]
        topic = record.topic
        if own and (carried := _text(headers.get(wire.ORIGIN_TOPIC))):
            topic = carried
            place = (_text(headers.get(name)) for name in (wire.ORIGIN_PARTITION, wire.ORIGIN_OFFSET))
            origin = found[fields.ORIGIN] = "{}/{}@{}".format(topic, *place)
        event = found[fields.EVENT] = _text(headers.get(wire.CE_ID)) or origin
        type_ = _text(headers.get(wire.CE_TYPE)) or self._types.get(topic)
        if type_:
            found[fields.TYPE] = type_
        correlation = _text(headers.get(wire.CE_CORRELATION_ID))
        if correlation and correlation != event:
            found[fields.CORRELATION] = correlation
        causation = _text(headers.get(wire.CE_CAUSATION_ID))
        if causation:
            found[fields.CAUSATION] = causation
        if record.key is not None:
            found[fields.KEY] = record.key[:256].decode(errors="backslashreplace")

    def _error(self, failure: Failure) -> dict[str, str]:
        said = {"type": failure.type, "message": failure.message[:_TEXT], "fingerprint": failure.fingerprint}
        if failure.error is not None:
            said["trace"] = self._tracebacks.of(failure.error)[-_TRACE:]
        return said

    def _payload(self, found: dict[str, Any], record: Record) -> None:
        try:
            data = masked(self._opener.open(record).data, self._settings.mask)
        except CodecError as error:
            found[fields.DATA] = f"not decoded: {error}"
            return
        raw = orjson.dumps(data, default=str)
        found[fields.DATA] = data if len(raw) <= _DATA else f"left out: {len(raw)} bytes"

    def _sampled(self, attempt: Mapping[str, Any]) -> bool:
        """Whether it is kept: a chain of events is kept as a whole or not at all, but for what failed or cost."""
        if attempt[fields.OUTCOME] not in ("done", "skipped") or fields.USAGE in attempt or fields.ATTEMPT in attempt:
            return True
        chain = attempt.get(fields.CORRELATION) or attempt[fields.EVENT]
        return zlib.crc32(chain.encode()) < self._settings.sample * 2**32


def _trouble(found: dict[str, Any], report: AttemptReport) -> None:
    if report.attempt > 1:
        found[fields.ATTEMPT] = report.attempt
    if report.deferrals:
        found[fields.DEFERRALS] = report.deferrals
    if report.reason:
        found[fields.REASON] = report.reason[:_TEXT]
    if report.lateness is not None:
        found[fields.LATE] = int(report.lateness * 1000)


def _work(found: dict[str, Any], report: AttemptReport) -> None:
    if report.steps:
        found[fields.STEPS] = [
            [step.name[:100], int(step.at * 1000), round(step.duration * 1000, 1), step.error] for step in report.steps
        ]
    if report.steps_left_out:
        found[fields.STEPS_LEFT_OUT] = report.steps_left_out
    if report.usage:
        found[fields.USAGE] = [
            {name: value for name in one.__slots__ if (value := getattr(one, name)) not in (0, None)}
            for one in report.usage
        ]
    if report.sent:
        found[fields.SENT] = [str(position) for position in report.sent[:MOST_SENT]]
        if len(report.sent) > MOST_SENT:
            found[fields.SENT_COUNT] = len(report.sent)


def _replayed(found: dict[str, Any], headers: Mapping[str, bytes | None]) -> None:
    for name, key in ((wire.REPLAY_ID, fields.REPLAY), (wire.DLT_POSITION, fields.REPLAYED_FROM)):
        said = _text(headers.get(name))
        if said:
            found[key] = said


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
