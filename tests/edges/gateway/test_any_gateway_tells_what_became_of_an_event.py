"""Two gateways on one port, real workers: whoever is asked knows the result, the progress, the dead letter."""

from __future__ import annotations

import json

import httpx
import pytest

pytestmark = pytest.mark.kafka


def test_any_gateway_tells_what_became_of_an_event(make_desk, kafka):
    desk = make_desk(kafka)
    first = desk.run_gateway()
    desk.run_gateway()
    desk.run("answer")

    def ask(location, **headers):
        """On a new connection each time: the kernel chooses the instance."""
        return httpx.get(f"http://127.0.0.1:{desk.port}{location}", headers=headers, timeout=60)

    posted = [httpx.post(desk.url, json={"text": f"t{n}", "seconds": 0.5}) for n in range(6)]
    bad = httpx.post(desk.url, json={"text": "", "bad": True})
    waited = httpx.post(desk.url, json={"text": "now"}, headers={"Prefer": "wait=30"}, timeout=60)

    assert [one.status_code for one in posted] == [202] * 6
    assert (waited.status_code, waited.json()) == (200, {"reply": "NOW"})
    for n, one in enumerate(posted):
        for _ in range(4):
            found = ask(one.headers["location"], Prefer="wait=30")
            assert (found.status_code, found.json()) == (200, {"reply": f"T{n}"})
    for _ in range(4):
        found = ask(bad.headers["location"], Prefer="wait=30")
        assert (found.status_code, found.json()["reason"], found.json()["detail"]) == (
            422,
            "rejected",
            "an empty ticket",
        )
    stream = ask(posted[0].headers["location"], Accept="text/event-stream").text
    assert [line for line in stream.splitlines() if line.startswith("event")] == ["event: progress", "event: result"]
    assert json.loads(stream.split("data: ")[-1]) == {"reply": "T0"}

    first.kill()  # and a new one, whose memory is empty
    first.wait()
    third = desk.run_gateway()
    for _ in range(6):
        assert ask(posted[0].headers["location"]).json() == {"reply": "T0"}
    assert ask("/tickets/never-heard-of").status_code == 404
    third.terminate()
    assert third.wait(30) == 0
