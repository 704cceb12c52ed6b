"""A failed event waits in its retry topic for the tier's delay, never less, and its attempts count up in headers."""


def test_failed_event_waits_in_retry_topic(work):
    starts = []

    async def scenario(app):
        async def handler(event, ctx):
            starts.append((app.clock.now(), ctx.attempt, ctx.run_id))
            if ctx.attempt < 3:
                raise ValueError("not yet")

        app._handlers["work"] = handler
        await app.start("work")
        await app.send("src", {"n": 1}, key="a", id="e-1")
        await app.settled()
        (first, *_), (second, *_), (third, *_) = starts
        assert 5.0 <= second - first < 6.0
        assert 30.0 <= third - second < 31.0, "20 s is rounded up to the ladder's 30s"
        assert [attempt for _, attempt, _ in starts] == [1, 2, 3]
        assert len({run for *_, run in starts}) == 1
        assert [r.header("penstock-attempt") for r in app.records("t.work.retry.5s")] == [b"1"]
        assert [r.header("penstock-attempt") for r in app.records("t.work.retry.30s")] == [b"2"]
        assert app.dead_letters("work") == []

    work(lambda event, ctx: None, scenario, workers=0, output=None)
