"""A raw aiokafka loop: getmany, parse the JSON. Auto commit."""

from __future__ import annotations

import asyncio
import json

import uvloop
from aiokafka import AIOKafkaConsumer

from benchmarks.meter import Meter, task


async def main() -> None:
    given = task()
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    meter = Meter(given, lambda: loop.call_soon_threadsafe(over.set))
    consumer = AIOKafkaConsumer(
        given.topic, bootstrap_servers=given.bootstrap, group_id=given.group, auto_offset_reset="earliest"
    )
    await consumer.start()
    while not over.is_set():
        for batch in (await consumer.getmany(timeout_ms=100)).values():
            for message in batch:
                json.loads(message.value)
                meter.one()
        await asyncio.sleep(0)
    await consumer.stop()
    meter.report()


if __name__ == "__main__":
    uvloop.run(main())
