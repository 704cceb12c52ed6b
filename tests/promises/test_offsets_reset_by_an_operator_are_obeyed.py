"""While the group is stopped an operator may set its offsets, back or ahead: just the records from there run."""

import pytest


@pytest.mark.parametrize(("to", "expected"), [(3, [3, 4, 5, 6, 7, 8, 9, 10]), (10, [10]), (0, list(range(11)))])
def test_offsets_reset_by_an_operator_are_obeyed(work, to, expected):
    seen = []

    async def handler(event, ctx):
        seen.append(event.data)

    async def scenario(app):
        places = [await app.send("src", n, key="a") for n in range(6)]
        await app.settled()
        await app.stop(app.workers.pop())
        places += [await app.send("src", n, key="a") for n in range(6, 10)]
        seen.clear()
        at = app.topology and places[0][:2]
        partition = next(one for one in await app.broker.admin().committed("t.work") if one == at)
        await app.broker.admin().alter_committed("t.work", {partition: to})
        await app.send("src", 10, key="a")
        await app.start("work")
        await app.settled()
        assert seen == expected

    work(handler, scenario, output=None)
