"""What may be posted, in every spelling, and what is refused with which words."""

from __future__ import annotations

import base64
import json

import pytest

CLOUD = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "ticket.created"}


def headers_of(record):
    return {name: (value or b"").decode() for name, value in record.headers}


def post(desk, body, headers=None, inbox="", path="/tickets", schema=False, **environ):
    """One POST; the response and the records that stand in the topic afterwards."""

    async def scenario(app):
        async with app.gateway() as gateway:
            response = await gateway.http.post(path, content=body, headers=headers or {})
        return response, app.records()

    return desk(scenario, inbox, schema=schema, **environ)


def test_json_is_an_event_byte_for_byte(desk):
    body = b'{"n": 12345678901234567890123,  "customer": "c-1"}'
    response, (record,) = post(desk, body, {"content-type": "application/json"}, "key: data.customer")

    assert response.status_code == 202
    assert record.value == body, "numbers that no float holds come through"
    assert record.key == b"c-1"
    found = headers_of(record)
    assert found["ce_id"] == response.json()["id"]
    assert (found["ce_type"], found["ce_source"]) == ("ticket.created", "/desk/inbox")
    assert found["content-type"] == "application/json"
    assert found["traceparent"].startswith("00-")


def test_binary_cloud_event_keeps_its_attributes(desk):
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "e-1",
        "ce-source": "/shop",
        "ce-type": "ticket.created",
        "ce-subject": "Gr%C3%BC%C3%9Fe%20%22x%22",
        "ce-time": "2026-01-31T08:00:00.5+01:00",
        "ce-partitionkey": "c-9",
        "ce-sequence": "17",
        "ce-correlationid": "chain-1",
        "content-type": "text/plain; charset=utf-8",
    }
    response, (record,) = post(desk, b"hello", headers)

    found = headers_of(record)
    assert response.json()["id"] == "chain-1", "the result is asked for by correlation id"
    assert (record.value, record.key) == (b"hello", b"c-9")
    assert (found["ce_id"], found["ce_source"], found["ce_subject"]) == ("e-1", "/shop", 'Grüße "x"')
    assert found["ce_time"] == "2026-01-31T07:00:00.500000Z"
    assert (found["ce_sequence"], found["ce_correlationid"]) == ("17", "chain-1")
    assert found["content-type"] == "text/plain; charset=utf-8"


def test_structured_cloud_event_is_written_in_binary_mode(desk):
    event = {**CLOUD, "data": {"text": "hi"}, "flag": True, "number": 5, "absent": None}
    _, (record,) = post(desk, json.dumps(event), {"content-type": "application/cloudevents+json; charset=utf-8"})

    found = headers_of(record)
    assert json.loads(record.value) == {"text": "hi"}
    assert (found["ce_id"], found["ce_flag"], found["ce_number"]) == ("e-1", "true", "5")
    assert "ce_absent" not in found
    assert found["content-type"] == "application/json"


def test_structured_data_may_be_bytes_or_text(desk):
    event = {**CLOUD, "datacontenttype": "image/png", "data_base64": base64.b64encode(b"\x89PNG").decode()}
    text = {**CLOUD, "datacontenttype": "text/plain", "data": "hello"}
    _, records = post(
        desk, json.dumps([event, {**text, "id": "e-2"}]), {"content-type": "application/cloudevents-batch+json"}
    )

    found = {headers_of(record)["content-type"]: record.value for record in records}
    assert found == {"image/png": b"\x89PNG", "text/plain": b"hello"}


def test_batches_come_in_three_spellings(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            array = await gateway.http.post("/tickets/batch", json=[{"n": 1}, {"n": 2}])
            lines = await gateway.http.post(
                "/tickets", content=b'{"n": 3}\n\n{"n": 4}\n', headers={"content-type": "application/x-ndjson"}
            )
            cloud = await gateway.http.post(
                "/tickets",
                content=json.dumps([{**CLOUD, "data": {"n": 5}}]),
                headers={"content-type": "application/cloudevents-batch+json"},
            )
            none = await gateway.http.post("/tickets/batch", json=[])
        return [array, lines, cloud, none], app.records()

    responses, records = desk(scenario)

    assert [response.status_code for response in responses] == [202, 202, 202, 202]
    assert sorted(json.loads(record.value)["n"] for record in records) == [1, 2, 3, 4, 5]
    told = [id_ for response in responses for id_ in response.json()["ids"]]
    assert sorted(told) == sorted(headers_of(record)["ce_id"] for record in records)


def test_one_bad_event_refuses_the_batch_and_all_bad_ones_are_named(desk):
    response, records = post(desk, b'[{"c": 1}, {}, {"c": 2}, {"c": []}]', inbox="key: data.c", path="/tickets/batch")

    assert response.status_code == 422
    assert [error["index"] for error in response.json()["errors"]] == [1, 3]
    assert "data.c" in response.json()["errors"][0]["detail"]
    assert records == []


def test_the_same_idempotency_key_makes_the_same_ids(desk):
    async def scenario(app):
        async with app.gateway() as one, app.gateway() as other:
            ids = [
                (await gateway.http.post("/tickets", json={"n": 1}, headers={"Idempotency-Key": key})).json()["id"]
                for gateway, key in ((one, "k-1"), (other, "k-1"), (one, "k-2"))
            ]
            batch = await one.http.post("/tickets/batch", json=[1, 1], headers={"Idempotency-Key": "k-1"})
            again = await other.http.post("/tickets/batch", json=[1, 1], headers={"Idempotency-Key": "k-1"})
        return ids, batch.json()["ids"], again.json()["ids"]

    (first, second, third), batch, again = desk(scenario)

    assert first == second
    assert first != third
    assert batch == again
    assert len(set(batch)) == 2


def test_a_code_hosts_headers_name_id_and_type(desk):
    inbox = "id: headers.X-GitHub-Delivery, event_type: headers.x-github-event, key: data.repository.full_name"
    body = json.dumps({"repository": {"full_name": "ada/engine"}})
    response, (record,) = post(desk, body, {"X-GitHub-Delivery": "d-1", "X-GitHub-Event": "push"}, inbox)

    found = headers_of(record)
    assert response.json()["id"] == found["ce_id"] == "d-1"
    assert (found["ce_type"], record.key) == ("push", b"ada/engine")


def test_data_is_checked_by_the_schema_where_it_enters(desk):
    good, (record,) = post(desk, b'{"text": "hi"}', schema=True)
    bad, none = post(desk, b'{"text": 5}', schema=True)
    null, _ = post(desk, b"null", schema=True)
    other, _ = post(
        desk, json.dumps({**CLOUD, "type": "x"}), {"content-type": "application/cloudevents+json"}, schema=True
    )

    assert good.status_code == 202
    assert "avro" in headers_of(record)["content-type"]
    assert [bad.status_code, null.status_code, other.status_code] == [422, 422, 422]
    assert "text" in bad.json()["detail"]
    assert "ticket.created" in other.json()["detail"]
    assert none == []


REFUSED = [
    (b"", {"content-type": "application/json"}, 400),
    (b"{", {"content-type": "application/json"}, 400),
    (b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 415),
    (b"{}", {"content-type": "application/json", "content-encoding": "gzip"}, 415),
    (b"[]", {"content-type": "application/cloudevents+json"}, 400),
    (b"{}", {"content-type": "application/cloudevents+json"}, 400),
    (b"{}", {"content-type": "application/cloudevents+avro"}, 415),
    (b"{}", {"content-type": "application/cloudevents-batch+json"}, 400),
    (b"{}", {"ce-id": "1", "ce-source": "/s", "ce-type": "t"}, 400),  # no specversion
    (b"{}", {"ce-specversion": "0.3", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}, 400),
    (b"{}", {"ce-specversion": "1.0", "ce-id": "", "ce-source": "/s", "ce-type": "t"}, 400),
    (b"{}", {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-time": "now"}, 400),
    (b"{}", {"ce-specversion": "1.0", "ce-id": "%ff", "ce-source": "/s", "ce-type": "t"}, 400),
    (b"{}", {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-bad-name": "x"}, 400),
    (b"x" * 200, {"content-type": "application/json"}, 413),
    (b"{}", {"content-type": "application/json", "idempotency-key": ""}, 202),
]


@pytest.mark.parametrize(("body", "headers", "status"), REFUSED)
def test_what_cannot_be_read_is_refused(desk, body, headers, status):
    response, records = post(desk, body, headers, "max_request_size: 100")

    assert response.status_code == status
    assert len(records) == (status == 202)
    if status != 202:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"]


@pytest.mark.parametrize(
    "event",
    [
        {**CLOUD, "data": 1, "data_base64": "AA=="},
        {**CLOUD, "data_base64": "?"},
        {**CLOUD, "extra": {"a": 1}},
        {**CLOUD, "number": 2**31},
        {**CLOUD, "datacontenttype": 5},
        {**CLOUD, "time": "2026-13-01T00:00:00Z"},
        {key: value for key, value in CLOUD.items() if key != "source"},
    ],
)
def test_a_broken_structured_event_is_refused(desk, event):
    response, records = post(desk, json.dumps(event), {"content-type": "application/cloudevents+json"})

    assert response.status_code == 400
    assert records == []


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_is_refused_before_it_is_whole(desk, declared):
    """By what its length says, or as soon as it is too much."""
    read = []

    async def body():
        for _ in range(100):
            read.append(1)
            yield b"x" * 60

    headers = {"content-length": "6000"} if declared else {}
    response, records = post(desk, body(), headers, "max_request_size: 100")

    assert (response.status_code, records) == (413, [])
    assert "larger than 100 bytes" in response.json()["detail"]


def test_too_many_events_are_refused(desk):
    response, records = post(desk, b"[1, 2, 3]", inbox="max_events: 2", path="/tickets/batch")

    assert (response.status_code, records) == (413, [])
