"""Code killed at an await stands still: none of its clean-up runs, and the end of its loop does not wait for any."""

import asyncio
from contextlib import asynccontextmanager

from penstock.testing.killing import Killable


def test_clean_up_of_a_killed_generator_is_not_waited_for():
    said = []

    @asynccontextmanager
    async def transaction():
        try:
            yield
        finally:
            said.append("rollback")
            await asyncio.Event().wait()  # as an answer of a server that is gone

    async def work():
        async with transaction():
            await asyncio.sleep(0)
            said.append("went on")

    async def main():
        life = Killable(1, folder=__file__).watch()
        task = asyncio.ensure_future(life.drive(work()))
        await life.killed.wait()
        task.cancel()
        await asyncio.wait({task})
        return life

    life = asyncio.run(asyncio.wait_for(main(), 5))

    assert said == []
    assert "asyncio.sleep(0)" in life.place
    life.bury()
