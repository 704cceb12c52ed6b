"""Classes with setup and close, async generators, dataclasses by `Event[T]`: all are handlers."""

from dataclasses import dataclass

from penstock import Event


@dataclass
class Ticket:
    text: str
    urgent: bool = False


def test_a_class_is_set_up_before_and_closed_after(work):
    story = []

    class Agent:
        async def setup(self, settings):
            story.append(("setup", settings["model"]))

        async def __call__(self, event: Event[Ticket], ctx):
            story.append(event.data)

        def close(self):
            story.append("closed")

    async def scenario(app):
        await app.send("src", {"text": "lost card", "urgent": True}, key="a")
        await app.settled()
        await app.stop(app.workers.pop())
        assert story == [("setup", "m1"), Ticket("lost card", urgent=True), "closed"]

    work(Agent, scenario, output=None, settings={"model": "m1"})


def test_each_yield_is_an_emit_once_all_is_well(work):
    async def handler(event, ctx):
        yield {"part": 1}
        yield {"part": 2}
        if ctx.attempt == 1:
            raise ValueError("after the yields")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert [event.data for event in app.events("out")] == [{"part": 1}, {"part": 2}]

    work(handler, scenario)
