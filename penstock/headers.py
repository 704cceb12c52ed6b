"""The closed list of header names on the wire, and how their values are written.

CloudEvents 1.0 Kafka binding, binary mode (`ce_*`), plus ours (`penstock-*`). UTF-8; numbers in decimal ASCII;
times in epoch milliseconds except `ce_time` (RFC 3339).
"""

from __future__ import annotations

from typing import Final

from penstock.record import Header, Headers

CE: Final = "ce_"  # what every CloudEvents attribute begins with
CE_SPECVERSION: Final = "ce_specversion"
CE_ID: Final = "ce_id"
CE_TYPE: Final = "ce_type"
CE_SOURCE: Final = "ce_source"
CE_TIME: Final = "ce_time"
CE_SUBJECT: Final = "ce_subject"
CE_DATASCHEMA: Final = "ce_dataschema"
CE_CORRELATION_ID: Final = "ce_correlationid"
CE_CAUSATION_ID: Final = "ce_causationid"
CE_TENANT_ID: Final = "ce_tenantid"
CONTENT_TYPE: Final = "content-type"
TRACEPARENT: Final = "traceparent"
VALUE_SCHEMA_ID: Final = "__value_schema_id"  # the registry's own: names the schema of a value that has no frame
DEBEZIUM_OP: Final = "debezium-op"  # of a record whose envelope was opened: c, u, d, r (read by a snapshot)

OURS: Final = "penstock-"
RUN_ID: Final = "penstock-run-id"
ATTEMPT: Final = "penstock-attempt"
DEFERRALS: Final = "penstock-deferrals"
NOT_BEFORE: Final = "penstock-not-before"
ORIGIN_TOPIC: Final = "penstock-origin-topic"
ORIGIN_PARTITION: Final = "penstock-origin-partition"
ORIGIN_OFFSET: Final = "penstock-origin-offset"
ORIGIN_TIMESTAMP: Final = "penstock-origin-timestamp"
FIRST_FAILURE: Final = "penstock-first-failure"
ERROR_TYPE: Final = "penstock-error-type"
ERROR_MESSAGE: Final = "penstock-error-message"
ERROR_FINGERPRINT: Final = "penstock-error-fingerprint"
GROUP: Final = "penstock-group"
REASON: Final = "penstock-reason"
REPLAY_ID: Final = "penstock-replay-id"
REPLAY_COUNT: Final = "penstock-replay-count"
DLT_POSITION: Final = "penstock-dlt-position"
DISCARDED: Final = "penstock-discarded"  # on a marker in the replay topic: no work, only memory; workers skip it
PROGRESS: Final = "penstock-progress"

ERROR_LIMIT: Final = 2048  # bytes that the three error headers may take together


def text(headers: Headers, name: str) -> str | None:
    """The last value of `name` as text, or None where it is absent, null or not UTF-8."""
    for key, value in reversed(headers):
        if key == name and value is not None:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def texts(headers: Headers) -> dict[str, str]:
    """What `text` says of every name, those left out of which it says None: one walk, for who asks for several."""
    found = {}
    for name, value in headers:
        if value is not None:
            try:
                found[name] = value.decode()
            except UnicodeDecodeError:
                found.pop(name, None)
    return found


def number(headers: Headers, name: str) -> int | None:
    """The last value of `name` as a whole number, or None where it is absent or not one."""
    found = text(headers, name)
    if found is None or not found.lstrip("-").isascii() or not found.lstrip("-").isdigit():
        return None
    return int(found)


def line(name: str, value: str | int) -> Header:
    """One header, its value written as the wire wants it."""
    return name, str(value).encode()


def foreign(headers: Headers) -> list[Header]:
    """The headers that are not ours, order, duplicates and nulls kept: what travels on every hop."""
    return [pair for pair in headers if not pair[0].startswith(OURS)]
