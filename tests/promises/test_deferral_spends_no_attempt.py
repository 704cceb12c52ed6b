"""A short deferral waits in its lane, in memory; a longer one in a retry topic. Neither spends an attempt."""

from penstock import Defer


def test_short_deferral_waits_in_its_lane(work):
    seen = []

    async def handler(event, ctx):
        seen.append((event.data, ctx.attempt, ctx.deadline))
        if event.data == "first" and len(seen) < 4:
            raise Defer("rate limit", after="5s")

    async def scenario(app):
        await app.send("src", "first", key="a")
        await app.send("src", "second", key="a")
        await app.settled()
        assert [(data, attempt) for data, attempt, _ in seen] == [("first", 1)] * 4 + [("second", 1)]
        assert 15.0 <= seen[3][2] - seen[0][2] < 16.0, "a deadline of its own each time"
        assert not [name for name in await app.broker.admin().topics() if ".retry." in name and app.records(name)]
        assert [a.outcome for a in app.attempts] == ["deferred"] * 3 + ["done"] * 2

    work(handler, scenario, output=None)


def test_a_deferred_run_gives_its_slot_back(work):
    async def handler(event, ctx):
        if event.data < 20 and ctx.run_id not in seen:
            seen.add(ctx.run_id)
            raise Defer(after=5)
        ended.append(event.data)

    seen, ended = set(), []

    async def scenario(app):
        for n in range(25):
            await app.send("src", n, key=f"k{n}")
        await app.settled()
        assert ended[:5] == [20, 21, 22, 23, 24]

    work(handler, scenario, output=None, concurrency=1)


def test_long_deferral_goes_to_a_retry_topic(work):
    starts = []

    async def handler(event, ctx):
        starts.append(event.position.topic)
        assert ctx.attempt == 1
        if len(starts) < 6:
            raise Defer("the provider is away", after="30s")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert starts == ["src"] + ["t.work.retry.30s"] * 5
        records = app.records("t.work.retry.30s")
        assert [r.header("penstock-attempt") for r in records] == [b"0"] * 5
        assert [r.header("penstock-deferrals") for r in records] == [b"1", b"2", b"3", b"4", b"5"]

    work(handler, scenario, output=None)
