"""Emitted records leave when the handler has succeeded, and only those of that attempt."""

import pytest

from penstock import Reject, Retry, Skip


@pytest.mark.parametrize("end", [ValueError("x"), Retry("again"), Reject("no"), Skip("not mine")])
def test_failed_attempt_emits_nothing(work, end):
    async def handler(event, ctx):
        ctx.emit("out", {"attempt": ctx.attempt})
        if ctx.attempt < 3:
            raise end
        return {"returned": ctx.attempt}

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        retried = isinstance(end, ValueError | Retry)
        expected = [{"attempt": 3}, {"returned": 3}] if retried else []
        assert [event.data for event in app.events("out")] == expected
        assert all(record.key == b"a" for record in app.records("out"))

    work(handler, scenario)
