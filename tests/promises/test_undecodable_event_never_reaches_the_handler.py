"""Bytes that no reader will ever open go to the dead letter topic at once, unchanged; data that is no T too."""

from dataclasses import dataclass

import pytest

from penstock import Event
from penstock.record import Outgoing


@dataclass
class Ticket:
    text: str

    def __post_init__(self):
        if self.text == "odd":
            raise KeyError("an error of the app's own class")


@pytest.mark.parametrize("value", [b"{not json", b"\xff\xfe", b'{"text": 5}', b'{"text": "odd"}', b"[]"])
def test_undecodable_event_never_reaches_the_handler(work, value):
    seen = []

    async def handler(event: Event[Ticket], ctx):
        seen.append(event.data)

    async def scenario(app):
        await app.broker.producer().send(Outgoing("src", b"k", value, []))
        await app.send("src", {"text": "fine"}, key="k")
        await app.settled("1m")
        assert seen == [Ticket("fine")]
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"undecodable"
        assert letter.header("penstock-attempt") == b"0"
        assert (letter.key, letter.value) == (b"k", value)

    work(handler, scenario, output=None)
