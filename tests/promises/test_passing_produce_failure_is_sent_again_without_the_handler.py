"""An output that fails for a passing reason is sent again, the same bytes; the handler does not run again."""

from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome


class Flaky(NoFaults):
    def __init__(self, topic, outcome):
        self.topic, self.outcome, self.left, self.asked = topic, outcome, 5, []

    def produce(self, client_id, record):
        if record.topic != self.topic:
            return FINE
        self.asked.append((record.key, record.value, tuple(record.headers)))
        self.left -= 1
        return Fate(self.outcome) if self.left >= 0 else FINE


def test_output_is_sent_again(work):
    flaky, calls = Flaky("out", Outcome.FAILED), []

    async def handler(event, ctx):
        calls.append(event.data)
        return {"n": event.data}

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert calls == [1]
        assert len(flaky.asked) == 6
        assert len(set(flaky.asked)) == 1
        assert len(app.records("out")) == 1
        assert app.workers[0].parts.counters.hand_off_failures == 5

    work(handler, scenario, faults=flaky)


def test_an_unanswered_output_may_double_but_is_never_missing(work):
    flaky = Flaky("out", Outcome.UNANSWERED)

    async def handler(event, ctx):
        return {"n": event.data}

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert len({record.header("ce_id") for record in app.records("out")}) == 1
        assert len(app.records("out")) == 6

    work(handler, scenario, faults=flaky)


def test_a_retry_record_is_sent_again(work):
    flaky = Flaky("t.work.retry.5s", Outcome.FAILED)

    async def handler(event, ctx):
        if ctx.attempt == 1:
            raise ValueError("once")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert [a.outcome for a in app.attempts] == ["retried", "done"]
        assert len(app.records("t.work.retry.5s")) == 1

    work(handler, scenario, faults=flaky, output=None)
