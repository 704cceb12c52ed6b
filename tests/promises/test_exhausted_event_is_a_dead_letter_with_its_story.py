"""After `max_attempts` the event stands in the dead letter topic: bytes as they were, headers that tell its story."""

from penstock.record import Outgoing


def test_exhausted_event_is_a_dead_letter_with_its_story(work):
    foreign = [("x", b"1"), ("x", b"\xff"), ("none", None), ("ce_id", b"e-1"), ("ce_source", b"/kcat")]

    async def handler(event, ctx):
        raise KeyError(f"no {ctx.attempt}")

    async def scenario(app):
        producer = app.broker.producer()
        at = await producer.send(Outgoing("src", b"\xfe key", b'{"n": 1}', [*foreign, ("penstock-attempt", b"77")]))
        began = app.clock.now()
        await app.settled()
        (letter,) = app.dead_letters("work")
        assert (letter.key, letter.value) == (b"\xfe key", b'{"n": 1}')
        assert list(letter.headers[:5]) == foreign
        ours = dict(letter.headers[5:])
        assert len(ours) == len(letter.headers) - 5, "never stacked"
        first = int(ours.pop("penstock-first-failure"))
        assert abs(first - began * 1000) < 1000
        run_id = ours.pop("penstock-run-id")
        assert run_id == app.attempts[0].run_id.encode()
        assert len(ours.pop("penstock-error-fingerprint")) == 16
        assert ours == {
            "penstock-attempt": b"3",
            "penstock-deferrals": b"0",
            "penstock-origin-topic": b"src",
            "penstock-origin-partition": str(at.partition).encode(),
            "penstock-origin-offset": str(at.offset).encode(),
            "penstock-origin-timestamp": str(app.records("src")[0].timestamp).encode(),
            "penstock-group": b"t.work",
            "penstock-reason": b"exhausted",
            "penstock-error-type": b"KeyError",
            "penstock-error-message": b"'no 3'",
        }
        for tier in ("5s", "30s"):
            (retried,) = app.records(f"t.work.retry.{tier}")
            assert (retried.key, retried.value) == (letter.key, letter.value)
            assert list(retried.headers[:5]) == foreign
            assert retried.header("penstock-run-id") == run_id

    work(handler, scenario, output=None)
