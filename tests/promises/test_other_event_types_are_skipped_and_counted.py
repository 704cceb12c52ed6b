"""`types` lets only these through; the others are finished without running, and counted."""

from penstock.record import Outgoing


def test_other_event_types_are_skipped_and_counted(work):
    seen = []

    async def handler(event, ctx):
        seen.append((event.type, event.data))

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.send("src", 2, key="a", type="other")
        await app.broker.producer().send(Outgoing("src", b"a", b"{not json", [("ce_type", b"third")]))
        await app.broker.producer().send(Outgoing("src", b"a", b"4", []))
        await app.settled()
        assert seen == [("asked", 1), ("asked", 4)], "without a type of its own it has the topic's"
        assert app.workers[0].parts.counters.outcomes == {"skipped": 2}
        assert app.dead_letters("work") == []

    work(handler, scenario, output=None, types=("asked",))
