"""The gateway beside agents that are slow: beyond max_backlog it answers 429 with Retry-After, and later 202 again."""

from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.kafka


def test_backlog_is_answered_with_429(make_desk, kafka):
    desk = make_desk(kafka, "max_backlog: 30")
    desk.run_gateway()
    desk.run("answer")
    told: list[httpx.Response] = []

    with httpx.Client(timeout=30) as http:

        def post() -> int:
            told.append(http.post(desk.url, json={"text": "a", "seconds": 4}))
            return told[-1].status_code

        desk.wait_until(lambda: post() == 429, "more waits than may")
        refused = told[-1]
        accepted = sum(one.status_code == 202 for one in told)
        assert {one.status_code for one in told} == {202, 429}
        assert int(refused.headers["retry-after"]) > 0
        assert "wait for the agents" in refused.json()["detail"]
        assert len(desk.records()) == accepted, "what was refused is not there"
        desk.wait_until(lambda: post() == 202, "the agents have caught up")
    assert accepted >= 30
