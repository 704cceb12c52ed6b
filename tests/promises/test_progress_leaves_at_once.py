"""`ctx.progress` is in its topic while the handler still runs, also of an attempt that fails later."""

import asyncio


def test_progress_leaves_at_once(work):
    async def handler(event, ctx):
        await ctx.progress({"step": ctx.attempt})
        await asyncio.sleep(60)
        if ctx.attempt == 1:
            raise ValueError("later")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await asyncio.sleep(1)
        (record,) = app.records("t.progress")
        assert (record.key, record.header("penstock-attempt"), record.header("penstock-progress")) == (
            b"a",
            b"1",
            b"true",
        )
        await app.settled()
        assert [event.data for event in app.events("t.progress")] == [{"step": 1}, {"step": 2}]
        assert len({r.header("penstock-run-id") for r in app.records("t.progress")}) == 1

    work(handler, scenario, output=None)
