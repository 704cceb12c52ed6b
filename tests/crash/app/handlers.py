"""Handlers that do as the event says, and write one line when they start and one when they end.

The lines go to the file named by CRASH_LEDGER, each in one write in append mode, so that processes never mix them and
a killed one leaves whole lines. Times are of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from penstock import Context, Event, Reject


async def work(event: Event[Any], ctx: Context) -> None:
    """Wait `seconds`; before that, `exit` the process, `reject`, or `fail` so many attempts."""
    asked = event.data
    write("start", event, ctx)
    if asked.get("exit"):
        os._exit(9)
    await asyncio.sleep(asked.get("seconds", 0))
    finish(event, ctx)


def thread_work(event: Event[Any], ctx: Context) -> None:
    """The same in a thread, which nobody can cancel."""
    write("start", event, ctx)
    time.sleep(event.data.get("seconds", 0))
    finish(event, ctx)


async def endure(event: Event[Any]) -> None:
    """Wait 50 ms; a probe writes what its process holds to the file named by CRASH_PROBES."""
    if (name := event.data.get("probe")) is None:
        await asyncio.sleep(0.05)
        return
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    state = {
        "probe": name,
        "memory": pages * 4096 >> 20,
        "handles": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }
    with Path(os.environ["CRASH_PROBES"]).open("a") as file:
        file.write(json.dumps(state) + "\n")


def finish(event: Event[Any], ctx: Context) -> None:
    """Write that it ended, well or not."""
    if event.data.get("reject"):
        raise Reject("as the event says")
    if ctx.attempt <= event.data.get("fail", 0):
        write("fail", event, ctx)
        raise RuntimeError("as the event says")
    write("end", event, ctx)


def write(what: str, event: Event[Any], ctx: Context) -> None:
    """One line of the ledger."""
    line = {
        "what": what,
        "n": event.data["n"],
        "key": event.key,
        "attempt": ctx.attempt,
        "topic": event.position.topic,
        "partition": event.position.partition,
        "offset": event.position.offset,
        "pid": os.getpid(),
        "time": time.monotonic(),
    }
    file = os.open(os.environ["CRASH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, json.dumps(line).encode() + b"\n")
    finally:
        os.close(file)
