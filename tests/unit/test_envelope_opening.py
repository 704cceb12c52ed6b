"""Records opened: type, origin, data; binary mode, structured mode, and records with no CloudEvents header at all."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Undecodable, UnknownSchema
from penstock.record import Header, Record
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.schema.identity import NAMESPACE, emitted_id, is_own_topic, run_id
from penstock.topology.model import Topic, Topology

GROUP = "desk.triage"
OWN = [f"{GROUP}.retry.30s", f"{GROUP}.replay", f"{GROUP}.dlt"]
FOREIGN = ["tickets", "desk.triage", "desk.triager.replay", "desk.triage.retries", "desk.other.dlt", f"{GROUP}.dlt.x"]

topology = Topology(
    name="desk",
    topics={"tickets": Topic(name="tickets", type="ticket.created"), "raw": Topic(name="raw")},
)
opener = Opener(topology, GROUP, Codec(topology))


def record(topic: str = "tickets", value: bytes | None = b'{"a":1}', headers: list[Header] | None = None) -> Record:
    return Record(topic, 2, 40, 1_700_000_000_000, b"k", value, headers or [])


def origin(**change: bytes) -> list[Header]:
    found = {"topic": b"tickets", "partition": b"5", "offset": b"99", "timestamp": b"1600000000000"} | change
    return [(f"penstock-origin-{name}", value) for name, value in found.items()]


def structured(envelope: Any, content_type: bytes = b"application/cloudevents+json", **more: Any) -> Record:
    value = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    return record(value=value, headers=[("content-type", content_type), *more.get("headers", [])])


def test_a_record_without_headers_is_an_event() -> None:
    event = opener.open(record())
    assert (event.type, event.id, event.source, event.key) == ("ticket.created", "tickets/2@40", "tickets", "k")
    assert event.data == {"a": 1}
    assert event.time == datetime.fromtimestamp(1_700_000_000, UTC)
    assert event.correlation_id == event.id


def test_attributes_are_read_from_headers() -> None:
    said = [
        ("ce_type", b"x"),
        ("ce_id", b"1"),
        ("ce_source", b"s"),
        ("ce_tenantid", b"t"),
        ("content-type", b"text/plain"),
    ]
    event = opener.open(record(value=b"hello", headers=said))
    assert (event.type, event.id, event.source, event.tenant, event.data) == ("x", "1", "s", "t", "hello")


@pytest.mark.parametrize("said", [b"", b"\xff", None])
def test_a_type_that_says_nothing_is_the_topics(said: bytes | None) -> None:
    assert opener.open(record(headers=[("ce_type", said)])).type == "ticket.created"
    assert opener.type_of(record(headers=[("ce_type", said)])) == "ticket.created"


def test_a_topic_without_a_type_gives_none() -> None:
    assert opener.open(record("raw")).type == ""
    assert opener.open(record("unheard-of")).type == ""


def test_bad_bytes_are_undecodable_and_a_tombstone_is_not() -> None:
    with pytest.raises(Undecodable):
        opener.open(record(value=b"{"))
    event = opener.open(record(value=None, headers=[("content-type", b"application/cloudevents")]))
    assert event.data is None
    assert event.type == "ticket.created"


@pytest.mark.parametrize("topic", OWN)
def test_our_headers_are_believed_on_our_own_topics(topic: str) -> None:
    event = opener.open(record(topic, headers=origin()))
    assert event.origin == ("tickets", 5, 99, 1_600_000_000_000)
    assert event.type == "ticket.created"  # decoding follows the origin topic
    assert event.position == (topic, 2, 40)


@pytest.mark.parametrize("topic", FOREIGN)
def test_our_headers_are_ignored_elsewhere(topic: str) -> None:
    event = opener.open(record(topic, headers=[*origin(), ("penstock-run-id", b"forged")]))
    assert event.origin == (topic, 2, 40, 1_700_000_000_000)
    assert run_id(event, event.record, GROUP, "cluster") != "forged"


@pytest.mark.parametrize("change", [{"partition": b"x"}, {"offset": b""}, {"topic": b"\xff"}])
def test_a_broken_origin_is_none(change: dict[str, bytes]) -> None:
    event = opener.open(record(OWN[0], headers=origin(**change)))
    assert event.origin == (OWN[0], 2, 40, 1_700_000_000_000)


def test_an_origin_without_its_time_takes_the_records() -> None:
    assert opener.open(record(OWN[0], headers=origin()[:3])).origin.timestamp == 1_700_000_000_000


@given(st.text(), st.text())
def test_own_topics_are_told_by_their_whole_name(group: str, topic: str) -> None:
    expected = topic in (f"{group}.replay", f"{group}.dlt") or topic.startswith(f"{group}.retry.")
    assert is_own_topic(group, topic) == expected
    assert is_own_topic(group, f"{group}.retry.{topic}")


# --- structured mode

ENVELOPE = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/bank",
    "type": "ticket.closed",
    "time": "2026-01-02T03:04:05Z",
    "subject": None,
    "sequence": 7,
    "urgent": True,
    "data": {"a": [1]},
}


@pytest.mark.parametrize(
    "content_type",
    [b"application/cloudevents", b"application/cloudevents+json; charset=utf-8", b"Application/CloudEvents+JSON"],
)
def test_a_structured_event_is_read_as_a_binary_one(content_type: bytes) -> None:
    own = [("x", b"1"), ("x", None), ("ce_id", b"not this one")]
    event = opener.open(structured(ENVELOPE, content_type, headers=own))
    assert (event.id, event.source, event.type, event.subject) == ("e-1", "/bank", "ticket.closed", None)
    assert event.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert event.data == {"a": [1]}
    assert event.headers["ce_sequence"] == b"7"
    assert event.headers["ce_urgent"] == b"true"
    assert [pair for pair in event.record.headers if pair[0] == "x"] == [("x", b"1"), ("x", None)]
    assert opener.type_of(structured(ENVELOPE, content_type)) == "ticket.closed"


def test_structured_data_may_be_text_bytes_or_nothing() -> None:
    carried = {
        "data": None,
        "datacontenttype": "application/octet-stream",
        "data_base64": base64.b64encode(b"\0").decode(),
    }
    assert opener.open(structured({**ENVELOPE, **carried})).data == b"\0"
    assert opener.open(structured({**ENVELOPE, "datacontenttype": "text/plain", "data": "hi"})).data == "hi"
    assert opener.open(structured({"id": "1"})).data is None
    assert opener.open(structured({"id": "1"})).type == "ticket.created"


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"[]",
        b"\xff",
        json.dumps({**ENVELOPE, "data_base64": "*"}).encode(),
        json.dumps({**ENVELOPE, "data_base64": 3}).encode(),
    ],
)
def test_a_broken_envelope_is_undecodable_and_its_type_still_asked_without_harm(value: bytes) -> None:
    with pytest.raises(Undecodable):
        opener.open(structured(value))
    assert opener.type_of(structured(value)) in ("ticket.created", "ticket.closed")
    assert opener.glance(structured(value)).data is None


def test_a_batch_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="batch"):
        opener.open(structured([ENVELOPE], b"application/cloudevents-batch+json"))


def test_structured_data_of_a_typed_event_is_held_to_its_schema(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "T", "fields": [{"name": "n", "type": "int", "default": 4}]}
    (tmp_path / "t.avsc").write_text(json.dumps(schema))
    topics = {"tickets": Topic(name="tickets", types={"t": Path("t.avsc")})}
    typed = Topology(name="desk", directory=tmp_path, topics=topics)
    codec = Codec(typed)
    reads = Opener(typed, GROUP, codec)
    assert reads.open(structured({"type": "t", "data": {}})).data == {"n": 4}
    value, content_type, dataschema = codec.encode("t", {"n": 5})
    carried = {
        "datacontenttype": content_type,
        "dataschema": dataschema,
        "data_base64": base64.b64encode(value or b"").decode(),
    }
    assert reads.open(structured({"type": "t", **carried})).data == {"n": 5}
    with pytest.raises(Undecodable):
        reads.open(structured({"type": "t", "data": {"n": "x"}}))
    with pytest.raises(UnknownSchema):
        reads.open(record(value=value, headers=[("ce_type", b"t"), ("ce_dataschema", b"urn:penstock:schema:t:00")]))


# --- ids


def ids(of: Record, cluster: str = "cluster", replay: str | None = None, group: str = GROUP) -> str:
    return run_id(opener.open(of), of, group, cluster, replay)


def test_a_run_id_is_a_uuid_of_group_source_and_id() -> None:
    said: list[Header] = [("ce_id", b"1"), ("ce_source", b"s")]
    expected = uuid5(NAMESPACE, '["run","desk.triage","s","1"]')
    assert ids(record(headers=said)) == str(expected)
    assert UUID(ids(record(headers=said))).version == 5


def test_duplicates_of_an_event_are_one_run_wherever_they_stand() -> None:
    said: list[Header] = [("ce_id", b"1"), ("ce_source", b"s")]
    other = Record("raw", 7, 1, 5, None, b"{}", said)
    assert ids(record(headers=said)) == ids(other) == ids(other, cluster="another")
    assert ids(other) != ids(other, group="desk.other")
    assert ids(other) != ids(other, replay="r-1") != ids(other, replay="r-2")


def test_without_an_id_the_place_in_the_log_names_the_run() -> None:
    there = ids(record())
    assert there == ids(record())
    assert len({there, ids(record(), cluster="another"), ids(record("raw")), ids(record(), replay="r")}) == 4
    assert there == ids(
        record(
            OWN[0],
            headers=[
                ("penstock-origin-topic", b"tickets"),
                ("penstock-origin-partition", b"2"),
                ("penstock-origin-offset", b"40"),
                ("penstock-origin-timestamp", b"1700000000000"),
            ],
        )
    )


def test_a_structured_event_is_named_by_its_envelope() -> None:
    said: list[Header] = [("ce_id", b"e-1"), ("ce_source", b"/bank")]
    whole = structured(ENVELOPE)
    assert ids(whole) == ids(record(headers=said))
    assert run_id(opener.glance(whole), whole, GROUP, "cluster") == ids(whole)


@pytest.mark.parametrize("topic", OWN)
def test_on_our_own_topics_the_run_is_the_one_that_is_said(topic: str) -> None:
    assert ids(record(topic, headers=[("penstock-run-id", b"r-9"), ("ce_id", b"1")])) == "r-9"


@given(st.text(), st.text(), st.text(), st.text())
def test_no_two_runs_share_an_id_by_the_way_their_names_join(a: str, b: str, c: str, d: str) -> None:
    def name(source: str, id_: str) -> str:
        said = [("ce_id", id_.encode(errors="replace")), ("ce_source", source.encode(errors="replace"))]
        return ids(record(headers=said))

    if a and b and c and d and (a, b) != (c, d) and "?" not in a + b + c + d:
        assert name(a, b) != name(c, d)


def test_an_emitted_id_is_the_runs_own_and_stable() -> None:
    run = str(UUID(int=3))
    assert emitted_id(run, "out", 0) == str(uuid5(UUID(int=3), "out/0"))
    assert (
        len(
            {
                emitted_id(run, "out", 0),
                emitted_id(run, "out", 1),
                emitted_id(run, "in", 0),
                emitted_id("r-9", "out", 0),
            }
        )
        == 4
    )
    assert emitted_id("r-9", "out", 0) == emitted_id("r-9", "out", 0)
