"""FastStream on aiokafka, at least once: the offset is committed after each handler, a failure is not acknowledged.

`concurrency` 1 is its default; more are workers between partitions.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker

from benchmarks.meter import Meter, task

given = task()
broker = KafkaBroker(given.bootstrap, logger=None)
app = FastStream(broker, logger=None)
meter = Meter(given, app.exit)
several: dict[str, Any] = {"max_workers": given.concurrency} if given.concurrency > 1 else {}


@broker.subscriber(
    given.topic,
    group_id=given.group,
    auto_offset_reset="earliest",
    ack_policy=AckPolicy.NACK_ON_ERROR,
    **several,
)
async def handle(body: dict[str, Any]) -> None:
    meter.one()


async def main() -> None:
    running = asyncio.create_task(app.run())
    while not running.done() and meter.result is None:
        await asyncio.sleep(0.05)
    meter.report()
    os._exit(0)  # what it would still take to stop is nobody's measurement


if __name__ == "__main__":
    uvloop.run(main())
