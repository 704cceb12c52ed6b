"""Other programs read what we write, byte for byte: kcat, Kafka's own console consumer, a Java client.

Expected are the names and spellings of the wire format itself, not what our own code makes of them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.law.foreign.stage import CLIENT, FOREIGN, PATIENCE, Seen, Stage, unspell

pytestmark = pytest.mark.kafka

UUID = rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MILLIS = rb"1[0-9]{12}"
CLOUD_EVENT = {
    "ce_specversion": rb"1\.0",
    "ce_id": UUID,
    "ce_type": rb"answered",
    "ce_source": rb"/foreign-[0-9a-f]+/answer",
    "ce_time": rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "ce_causationid": rb"asked-1",
    "ce_correlationid": rb"asked-1",
    "content-type": rb"application/json",
    "traceparent": rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]",
    "penstock-run-id": UUID,
}
FAILED = {
    "penstock-run-id": UUID,
    "penstock-deferrals": rb"0",
    "penstock-origin-topic": rb"foreign-[0-9a-f]+\.asked",
    "penstock-origin-partition": rb"[0-2]",
    "penstock-origin-offset": rb"[0-9]+",
    "penstock-origin-timestamp": MILLIS,
    "penstock-first-failure": MILLIS,
    "penstock-error-type": rb"(builtins\.)?ValueError",
    "penstock-error-message": rb"no luck",
    "penstock-error-fingerprint": rb"[0-9a-f]{16}",
}
RETRY = FAILED | {"penstock-attempt": rb"1", "penstock-not-before": MILLIS}
DEAD = FAILED | {
    "penstock-attempt": rb"2",
    "penstock-group": rb"foreign-[0-9a-f]+\.answer",
    "penstock-reason": rb"exhausted",
}


def by_java(java: Callable[..., str], stage: Stage, topic: str, count: int) -> list[Seen]:
    said = java([str(CLIENT), "read", stage.bootstrap, topic, str(count)])
    found = []
    for line in said.splitlines():
        partition, offset, key, value, *headers = line.split(" ")
        pairs = tuple((name, unspell(word)) for name, _, word in (one.partition("=") for one in headers))
        found.append(Seen(int(partition), int(offset), unspell(key), unspell(value), pairs))
    return sorted(found, key=lambda one: (one.partition, one.offset))


def check(record: Seen, expected: dict[str, bytes]) -> None:
    """Every expected header is there once, spelled so; none of ours or of CloudEvents beside them."""
    names = [name for name, _ in record.headers]
    ours = sorted(name for name in names if name.startswith(("penstock-", "ce_")) or name in expected)
    assert ours == sorted(expected)
    values = dict(record.headers)
    wrong = {name: values[name] for name, spelled in expected.items() if not re.fullmatch(spelled, values[name] or b"")}
    assert not wrong


def first(written: list[Seen]) -> Seen:
    """What came of the stage's own two events; other tests add theirs."""
    ours = ("ce_causationid", b"asked-1")
    return next(one for one in written if ours in one.headers or one.key == b"\xfe\x01binary")


WRITTEN = [("answered", CLOUD_EVENT), ("answer.retry.1s", RETRY), ("answer.dlt", DEAD)]


@pytest.mark.slow
@pytest.mark.parametrize(("where", "expected"), WRITTEN)
def test_a_java_client_sees_our_headers_byte_for_byte(stage, java, where, expected):
    written = stage.records(stage.topic(where), 1)
    reference = first(written)

    seen = by_java(java, stage, stage.topic(where), len(written))

    assert reference in seen
    check(reference, expected)
    if expected is not CLOUD_EVENT:
        assert reference.key == b"\xfe\x01binary"
        assert reference.value == b'{"do": "fail"}'
        assert [one for one in reference.headers if not one[0].startswith("penstock-")] == FOREIGN


@pytest.mark.slow
@pytest.mark.parametrize(("where", "expected"), WRITTEN)
def test_the_console_consumer_sees_our_headers_byte_for_byte(stage, console_consumer, where, expected):
    reference = first(stage.records(stage.topic(where), 1))
    shown = {"print.headers": "true", "print.key": "true", "key.separator": "|", "headers.separator": "|"}
    settings = [word for name, value in shown.items() for word in ("--formatter-property", f"{name}={value}")]

    said = console_consumer(
        *("--bootstrap-server", stage.bootstrap, "--topic", stage.topic(where), "--partition"),
        *(str(reference.partition), "--offset", str(reference.offset), "--max-messages", "1", *settings),
    )

    *headers, key, value = said.rstrip("\n").encode("latin-1").split(b"|")
    assert key == reference.key
    assert value == reference.value
    # It prints a null and the text "null" alike; the Java client above tells them apart.
    assert headers == [name.encode() + b":" + (b"null" if data is None else data) for name, data in reference.headers]
    check(reference, expected)


@pytest.mark.parametrize(("where", "expected"), WRITTEN)
def test_kcat_sees_our_headers_byte_for_byte(stage, kcat, where, expected):
    reference = first(stage.records(stage.topic(where), 1))

    read = [kcat, "-C", "-q", "-e", "-c", "1", "-b", stage.bootstrap, "-t", stage.topic(where), "-f", "%k|%s|%h"]
    read += ["-p", str(reference.partition), "-o", str(reference.offset)]
    said = subprocess.run(read, capture_output=True, timeout=PATIENCE, check=True).stdout

    key, value, headers = said.split(b"|", 2)
    assert key == reference.key
    assert value == reference.value
    # kcat spells a null NULL, ends a value at its first zero byte, and separates by commas, which these do not hold.
    assert headers.split(b",") == [
        name.encode() + b"=" + (b"NULL" if data is None else data.partition(b"\0")[0])
        for name, data in reference.headers
    ]
    check(reference, expected)
