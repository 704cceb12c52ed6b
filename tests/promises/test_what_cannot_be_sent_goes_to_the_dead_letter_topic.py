"""An output that will never be accepted (too large, unencodable, not authorised) ends as `unsendable`, at once."""

import pytest

from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome


class NotAuthorised(NoFaults):
    def produce(self, client_id, record):
        return Fate(Outcome.REFUSED) if record.topic == "out" and record.key == b"denied" else FINE


@pytest.mark.parametrize(
    ("key", "result"),
    [("a", {"text": "x" * 2_000_000}), ("a", {"what": object()}), ("a", float("nan")), ("denied", {})],
    ids=["too large", "unencodable", "no JSON", "not authorised"],
)
def test_what_cannot_be_sent_goes_to_the_dead_letter_topic(work, key, result):
    calls = []

    async def handler(event, ctx):
        calls.append(event.data)
        return result if event.data == 1 else {"fine": True}

    async def scenario(app):
        await app.send("src", 1, key=key)
        await app.send("src", 2, key="b")
        await app.settled()
        assert sorted(calls) == [1, 2]
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"unsendable"
        assert letter.value == b"1"
        assert [event.data for event in app.events("out")] == [{"fine": True}]

    work(handler, scenario, faults=NotAuthorised())
