"""An offset is committed only when its handler has returned: a record that still runs holds the frontier."""

import asyncio


def test_offset_is_committed_only_after_success(work):
    gate = None

    async def handler(event, ctx):
        if event.data == 0:
            await gate.wait()

    async def scenario(app):
        nonlocal gate
        gate = asyncio.Event()
        positions = [await app.send("src", n, key="same-partition") for n in range(3)]
        positions += [await app.send("src", n, key=f"k{n}") for n in range(3, 50)]
        await asyncio.sleep(10)
        committed = await app.broker.admin().committed("t.work")
        held = positions[0]
        assert committed[held[:2]].offset == held.offset
        done = len([a for a in app.attempts if a.outcome == "done"])
        assert done == 47, "the others went on"
        gate.set()
        await app.settled()

    work(handler, scenario, output=None)
