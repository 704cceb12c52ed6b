"""An agent that greets. Put your own work where the sleep is: a model call, a tool, a whole graph."""

from __future__ import annotations

import asyncio
from typing import TypedDict

from penstock import Context, Event, Reject


class Asked(TypedDict):
    """Somebody wants to be greeted."""

    name: str


class Given(TypedDict):
    """What they are told."""

    text: str


async def greet(event: Event[Asked], ctx: Context) -> Given:
    """Greet by name. It may run twice after a crash: hand `ctx.run_id` to outside systems."""
    name = event.data["name"].strip()
    if not name:
        raise Reject("nobody to greet")  # never succeeds: straight to the dead letter topic
    await asyncio.sleep(0.2)  # the model thinks
    ctx.log.info("greeted %s", name)
    return {"text": f"Hello, {name}!"}
