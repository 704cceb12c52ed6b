"""A signal raised deep inside a framework's tool loop arrives: past `except Exception`, out of task groups too."""

import asyncio

import pytest

from penstock import Defer, Reject


async def tool_loop(event, ctx):
    try:
        raise Reject("deep inside")
    except Exception:
        return {"text": "the tool failed, sorry"}


async def task_group(event, ctx):
    async def tool():
        raise Reject("deep inside")

    async with asyncio.TaskGroup() as outer:

        async def more():
            async with asyncio.TaskGroup() as inner:
                inner.create_task(tool())

        outer.create_task(more())


def on_a_thread(event):
    raise Reject("deep inside")


class OddBase(BaseException):
    pass


@pytest.mark.parametrize("handler", [tool_loop, task_group, on_a_thread])
def test_signals_survive_what_agent_frameworks_catch(work, handler):
    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"rejected"
        assert letter.header("penstock-error-message") == b"deep inside"

    work(handler, scenario)


def test_a_base_exception_of_a_handler_is_a_failed_attempt_and_not_the_end_of_the_worker(work):
    async def handler(event, ctx):
        raise OddBase("odd")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert [a.outcome for a in app.attempts] == ["retried", "retried", "dead_lettered"]

    work(handler, scenario, output=None)


def test_a_deferral_in_a_group_is_a_deferral(work):
    async def handler(event, ctx):
        if event.position.topic == "src":
            async with asyncio.TaskGroup() as group:
                group.create_task(limited())

    async def limited():
        raise Defer("rate limit", after="30s")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert [a.outcome for a in app.attempts] == ["deferred", "done"]

    work(handler, scenario, output=None)
