"""A record without any header (kcat, Connect, an old pipeline) and a tombstone reach the handler."""

from penstock.record import Outgoing


def test_plain_records_and_tombstones_are_welcome(work):
    seen = []

    async def handler(event, ctx):
        seen.append((event.key, event.data, event.type, event.source, event.id, ctx.run_id))
        return {"saw": event.data}

    async def scenario(app):
        producer = app.broker.producer()
        at = await producer.send(Outgoing("src", b"a", b'{"n": 1}', []))
        await producer.send(Outgoing("src", b"a", None, []))
        await app.settled()
        assert [one[:4] for one in seen] == [("a", {"n": 1}, "asked", "src"), ("a", None, "asked", "src")]
        assert seen[0][4] == f"src/{at.partition}@{at.offset}"
        assert seen[0][5] != seen[1][5]
        assert [event.data for event in app.events("out")] == [{"saw": {"n": 1}}, {"saw": None}]

    work(handler, scenario)
