"""The run id is the same for every attempt and duplicate of an event, and so are the ids of what it emits."""

from uuid import UUID

from penstock.record import Outgoing


def test_run_and_emitted_ids_are_stable(work):
    seen = []

    async def handler(event, ctx):
        seen.append(ctx.run_id)
        ctx.emit("out", 1)
        if event.position.topic == "src":
            raise ValueError("first")
        return 2

    async def scenario(app):
        producer = app.broker.producer()
        for source in (b"/shop", b"/shop", b"/other"):
            await producer.send(Outgoing("src", b"a", b"1", [("ce_id", b"e-1"), ("ce_source", source)]))
        await app.settled()
        assert len(seen) == 6
        assert len(set(seen)) == 2
        ids = [record.header("ce_id").decode() for record in app.records("out")]
        assert len(ids) == 6
        assert len(set(ids)) == 4
        assert {UUID(one).version for one in [*seen, *ids]} == {5}
        first = {e.headers["penstock-run-id"]: e.causation_id for e in app.events("out")}
        assert set(first.values()) == {"e-1"}

    work(handler, scenario)
