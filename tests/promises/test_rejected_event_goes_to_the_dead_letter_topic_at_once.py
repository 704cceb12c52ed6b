"""Reject, returned or raised, and exceptions named in `retry.never`, subclasses too, spend one attempt and no more."""

import pytest

from penstock import Reject
from penstock.topology.model import Retry


class Special(LookupError):
    pass


async def raises_reject(event, ctx):
    raise Reject("not for us")


async def returns_reject(event, ctx):
    return Reject("not for us")


async def raises_never(event, ctx):
    raise Special("not for us")


@pytest.mark.parametrize("handler", [raises_reject, returns_reject, raises_never])
def test_rejected_event_goes_to_the_dead_letter_topic_at_once(work, handler):
    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"rejected"
        assert letter.header("penstock-error-message") == b"not for us"
        assert letter.header("penstock-attempt") == b"1"
        assert len(app.attempts) == 1

    work(handler, scenario, output=None, retry=Retry(never=("LookupError",)))
