"""Events sealed: the headers in their order, keys as bytes, what is reserved; and back again through the Opener."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Unencodable
from penstock.record import Record
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.schema.sealing import seal

CODEC = Codec()
FULL: dict[str, Any] = {
    "topic": "t",
    "data": {"a": 1},
    "key": "k",
    "type": "ticket.created",
    "id": "e-1",
    "source": "/bank",
    "time": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone(timedelta(hours=1))),
    "subject": "s",
    "correlation_id": "c",
    "causation_id": "p",
    "tenant": "n",
    "traceparent": "00-0-0-01",
    "headers": {"x": "1", "y": b"\xff", "z": None},
    "marks": (("penstock-run-id", b"r"),),
}
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def sealed(**change: Any) -> Any:
    return seal(CODEC, **{**FULL, **change})


def test_the_headers_are_these_and_in_this_order() -> None:
    assert list(sealed().headers) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_type", b"ticket.created"),
        ("ce_source", b"/bank"),
        ("ce_time", b"2026-01-02T02:04:05.678000Z"),
        ("ce_subject", b"s"),
        ("ce_correlationid", b"c"),
        ("ce_causationid", b"p"),
        ("ce_tenantid", b"n"),
        ("content-type", b"application/json"),
        ("traceparent", b"00-0-0-01"),
        ("penstock-run-id", b"r"),
        ("x", b"1"),
        ("y", b"\xff"),
        ("z", None),
    ]


def test_what_is_not_said_is_not_written() -> None:
    found = seal(CODEC, topic="t", data=None, key=None, type="", id="1", source="s")
    assert found.value is None
    assert found.key is None
    assert list(found.headers) == [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"t"), ("ce_source", b"s")]


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("é", "é".encode()),
        (b"\xff", b"\xff"),
        ("", b""),
        (None, None),
        (7, b"7"),
        (UUID(int=1), str(UUID(int=1)).encode()),
    ],
)
def test_keys_are_bytes(key: Any, written: bytes | None) -> None:
    assert sealed(key=key).key == written


@pytest.mark.parametrize("key", [True, 1.5, ["a"], "\ud800"])
def test_other_keys_are_refused(key: Any) -> None:
    with pytest.raises(Unencodable, match="the key"):
        sealed(key=key)


@pytest.mark.parametrize("name", ["ce_id", "ce_anything", "penstock-run-id", "content-type", "traceparent"])
def test_reserved_headers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        sealed(headers={name: "1"})


@pytest.mark.parametrize("subject", ["\ud800", 5])
def test_an_attribute_that_is_no_text_is_refused(subject: Any) -> None:
    with pytest.raises(Unencodable, match="attribute"):
        sealed(subject=subject)


def test_a_time_without_a_zone_is_utc() -> None:
    found = dict(sealed(time=datetime(2026, 1, 2)).headers)  # noqa: DTZ001
    assert found["ce_time"] == b"2026-01-02T00:00:00Z"


@given(
    id=text,
    source=text,
    type=text,
    subject=st.none() | text,
    tenant=st.none() | text,
    key=st.none() | text,
    time=st.datetimes(timezones=st.just(UTC)),
    headers=st.dictionaries(
        text.filter(lambda name: not name.startswith(("ce_", "penstock-"))), st.none() | st.binary()
    ),
)
def test_what_is_sealed_opens_as_the_same(**said: Any) -> None:
    said["headers"].pop("content-type", None)
    said["headers"].pop("traceparent", None)
    found = seal(CODEC, topic="t", data={"a": 1}, **said)
    event = Opener(None, "g", CODEC).open(Record("t", 0, 0, 0, found.key, found.value, found.headers))
    assert (event.id, event.source, event.type, event.subject) == (
        said["id"],
        said["source"],
        said["type"],
        said["subject"],
    )
    assert (event.tenant, event.key, event.time, event.data) == (said["tenant"], said["key"], said["time"], {"a": 1})
    assert {name: event.headers[name] for name in said["headers"]} == said["headers"]
