"""A record of a schema that is not here yet waits: its producer may be deployed before its readers."""

from penstock.record import Outgoing
from penstock.topology.model import Retry


def test_unknown_schema_is_deferred(work):
    async def handler(event, ctx):
        raise AssertionError("cannot be opened")

    async def scenario(app):
        await app.broker.producer().send(Outgoing("src", b"k", b"\0\0\0\0\x2a\x02\x04", []))
        began = app.clock.now()
        await app.settled("5h")
        outcomes = [a.outcome for a in app.attempts]
        assert set(outcomes[:-1]) == {"deferred"}
        assert len(outcomes) > 20
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"expired"
        assert app.clock.now() - began >= 3600, "only max_age ends it"
        assert letter.value == b"\0\0\0\0\x2a\x02\x04"

    work(handler, scenario, output=None, retry=Retry(max_age=3600))
