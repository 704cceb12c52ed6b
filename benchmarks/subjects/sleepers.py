"""The ceiling of the loop itself: `concurrency` tasks that do nothing but sleep, on the loop that we use."""

from __future__ import annotations

import asyncio

import uvloop

from benchmarks.meter import Meter, task


async def main() -> None:
    given = task()
    meter = Meter(given, lambda: None)
    meter.peak = given.concurrency

    async def sleeper() -> None:
        while meter.events < given.count:
            await asyncio.sleep(given.sleep)
            meter.one()

    await asyncio.gather(*(sleeper() for _ in range(given.concurrency)))
    meter.report()


if __name__ == "__main__":
    uvloop.run(main())
