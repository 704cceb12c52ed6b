"""The way back: pending, then the result or the dead letter, from any instance, also after a restart."""

from __future__ import annotations

import asyncio
import json

import pytest

REPLY = "reply: [tickets.answered]"


async def answer(app, id_, data, **headers):
    headers = {"ce_id": f"a-{id_}", "ce_type": "ticket.answered", "ce_correlationid": id_, **headers}
    await app.write("tickets.answered", json.dumps(data).encode(), content_type="application/json", **headers)


async def bury(app, id_, reason="exhausted", **headers):
    await app.write("desk.answer.dlt", b"{}", ce_id=id_, penstock_reason=reason, **headers)


async def progress(app, id_, data, index):
    headers = {"ce_id": f"p-{index}", "ce_correlationid": id_, "penstock_progress": "true"}
    await app.write("desk.progress", json.dumps(data).encode(), **headers)


async def accepted(gateway, **headers):
    response = await gateway.http.post("/tickets", json={"text": "hi"}, headers=headers)
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/tickets/{response.json()['id']}"
    return response.json()["id"]


def test_pending_then_the_result_from_any_instance(desk):
    async def scenario(app):
        async with app.gateway() as one, app.gateway() as other:
            id_ = await accepted(one)
            before = [await gateway.http.get(f"/tickets/{id_}") for gateway in (one, other)]
            await answer(app, id_, {"reply": "42"}, ce_subject="Grüße")
            await asyncio.sleep(1)
            after = [await gateway.http.get(f"/tickets/{id_}") for gateway in (one, other)]
        return before, after

    before, after = desk(scenario, REPLY)

    assert [(one.status_code, one.json()["status"]) for one in before] == [(202, "pending")] * 2
    assert all(one.headers["retry-after"] == "1" for one in before)
    assert [(one.status_code, one.json()) for one in after] == [(200, {"reply": "42"})] * 2
    assert after[0].headers["ce-type"] == "ticket.answered"
    assert after[0].headers["ce-subject"] == "Gr%C3%BC%C3%9Fe"


def test_a_dead_letter_says_its_reason_and_no_secret(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            ids = [await accepted(gateway) for _ in range(2)]
            await bury(app, ids[0], penstock_error_type="ValueError", penstock_error_message="password=hunter2")
            await bury(app, ids[1], "rejected", penstock_error_type="Reject", penstock_error_message="an empty ticket")
            await asyncio.sleep(1)
            return [await gateway.http.get(f"/tickets/{id_}") for id_ in ids]

    exhausted, rejected = desk(scenario, REPLY)

    assert (exhausted.status_code, exhausted.json()["reason"]) == (422, "exhausted")
    assert "hunter2" not in exhausted.text
    assert (rejected.json()["reason"], rejected.json()["detail"]) == ("rejected", "an empty ticket")


def test_a_result_after_a_replay_wins_over_the_dead_letter(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            id_ = await accepted(gateway)
            seen = []
            for step in (bury(app, id_), answer(app, id_, 1), bury(app, id_), answer(app, id_, 2)):
                await step
                await asyncio.sleep(1)
                seen.append((await gateway.http.get(f"/tickets/{id_}")).status_code)
            return seen, (await gateway.http.get(f"/tickets/{id_}")).json()

    assert desk(scenario, REPLY) == ([422, 200, 200, 200], 1)


def test_after_a_restart_it_is_looked_up_in_the_log(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            ids = [await accepted(gateway) for _ in range(3)]
            ids.append(await accepted(gateway, **{"Idempotency-Key": "k"}))  # an id that tells no time
            await answer(app, ids[0], "done")
            await bury(app, ids[1])
            await answer(app, ids[3], "done")
        await asyncio.sleep(3600)
        async with app.gateway() as gateway:
            asked = [gateway.http.get(f"/tickets/{id_}") for id_ in (*ids, "never-heard-of")]
            return [response.status_code for response in await asyncio.gather(*asked)]

    assert desk(scenario, REPLY) == [200, 422, 202, 200, 404]


def test_what_memory_has_forgotten_the_log_still_knows(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            gateway.parts.board._most_cases = 10
            ids = [await accepted(gateway) for _ in range(30)]
            for id_ in ids:
                await answer(app, id_, id_)
            await asyncio.sleep(1)
            held = len(gateway.parts.board)
            return held, [(await gateway.http.get(f"/tickets/{id_}")).json() == id_ for id_ in ids]

    held, right = desk(scenario, REPLY)

    assert held == 10
    assert right == [True] * 30


@pytest.mark.parametrize("by_post", [True, False])
def test_prefer_wait_waits_for_the_result(desk, by_post):
    async def scenario(app):
        async with app.gateway() as gateway:
            if by_post:
                asking = asyncio.create_task(
                    gateway.http.post("/tickets", json={}, headers={"Prefer": "wait=30", "Idempotency-Key": "k"})
                )
                await asyncio.sleep(1)
                id_ = app.records()[0].header("ce_id").decode()
            else:
                id_ = await accepted(gateway)
                asking = asyncio.create_task(gateway.http.get(f"/tickets/{id_}", headers={"Prefer": "wait=30"}))
            began = app.clock.now()
            await asyncio.sleep(5)
            assert not asking.done()
            await answer(app, id_, "now")
            return await asking, app.clock.now() - began

    response, took = desk(scenario, REPLY)

    assert (response.status_code, response.json()) == (200, "now")
    assert took < 6


def test_who_waits_longer_than_asked_is_told_that_it_is_pending(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            began = app.clock.now()
            response = await gateway.http.post("/tickets", json={}, headers={"Prefer": "respond-async, wait=7"})
            return response, app.clock.now() - began, gateway.parts.results.waiting

    response, took, waiting = desk(scenario, REPLY)

    assert (response.status_code, response.json()["status"]) == (202, "pending")
    assert response.headers["preference-applied"] == "wait=7"
    assert 7 <= took < 8
    assert waiting == 0


def test_the_stream_tells_progress_then_the_result(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            id_ = await accepted(gateway)
            await progress(app, id_, {"step": 1}, 1)
            await asyncio.sleep(1)
            stream = {"Accept": "text/event-stream"}
            asking = asyncio.create_task(gateway.http.get(f"/tickets/{id_}", headers=stream))
            await asyncio.sleep(20)  # longer than silence may last
            await progress(app, id_, {"step": 2}, 2)
            await answer(app, id_, {"reply": "42"})
            whole = (await asking).text
            last = next(line for line in whole.splitlines() if line.startswith("id: "))[4:]
            rest = (await gateway.http.get(f"/tickets/{id_}", headers={**stream, "Last-Event-ID": last})).text
        return whole, rest

    whole, rest = desk(scenario, REPLY)

    events = [part.splitlines() for part in whole.split("\n\n") if part]
    assert [event[0] for event in events] == ["event: progress", ": still here", "event: progress", "event: result"]
    assert [json.loads(event[-1][6:]) for event in events if len(event) > 1] == [
        {"step": 1},
        {"step": 2},
        {"reply": "42"},
    ]
    assert '{"step":1}' not in rest
    assert '{"step":2}' in rest


def test_the_stream_ends_with_the_dead_letter(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            id_ = await accepted(gateway)
            await bury(app, id_, "expired")
            await asyncio.sleep(1)
            return (await gateway.http.get(f"/tickets/{id_}", headers={"Accept": "text/event-stream"})).text

    assert '"reason":"expired"' in desk(scenario, REPLY).split("event: dead_letter")[1]


def test_a_drain_lets_nobody_wait(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            id_ = await accepted(gateway)
            asked = [
                asyncio.create_task(gateway.http.get(f"/tickets/{id_}", headers=headers))
                for headers in ({"Prefer": "wait=60"}, {"Accept": "text/event-stream"})
            ]
            await asyncio.sleep(1)
            assert gateway.parts.results.waiting == 2
            began = app.clock.now()
            gateway.parts.drain()
            responses = await asyncio.gather(*asked)
            return [response.status_code for response in responses], app.clock.now() - began

    assert desk(scenario, REPLY) == ([202, 200], 0.0)


def test_only_so_many_may_wait(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            id_ = await accepted(gateway)
            headers = [{"Prefer": "wait=9"}, {"Prefer": "wait=9"}, {"Accept": "text/event-stream"}, {}]
            asked = [gateway.http.get(f"/tickets/{id_}", headers=one) for one in headers]
            return [response.status_code for response in await asyncio.gather(*asked)]

    assert sorted(desk(scenario, f"{REPLY}, max_waiting: 1")) == [202, 202, 503, 503]


def test_without_reply_there_is_no_way_back(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            response = await gateway.http.post("/tickets", json={})
            return response, await gateway.http.get(f"/tickets/{response.json()['id']}")

    posted, asked = desk(scenario)

    assert "location" not in posted.headers
    assert asked.status_code == 404
