"""A worker looks who else is in its group, and says once who was declared otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from penstock.broker.contract import Admin
from penstock.deploy.membership import WHAT_TO_DO, strangers, what_it_means
from penstock.errors import BrokerError
from penstock.topology.model import Processor

log = logging.getLogger("penstock.worker")
_FIRST: Final = 10.0  # seconds: the group has settled by then
_EVERY: Final = 60.0


async def watch(processor: Processor, admin: Admin, *, first: float = _FIRST, every: float = _EVERY) -> None:
    """Look for ever; a warning for each set of strangers that is new."""
    known: tuple[str, ...] = ()
    await asyncio.sleep(first)
    while True:
        with contextlib.suppress(BrokerError):  # whatever is wrong there, the worker itself meets it too
            found = strangers(processor, await admin.group(processor.group_id))
            if found and found != known:
                log.warning("group %s: %s (%s)", processor.group_id, what_it_means(found), WHAT_TO_DO)
            known = found
        await asyncio.sleep(every)


@asynccontextmanager
async def watched_group(processor: Processor, admin: Admin) -> AsyncIterator[None]:
    """`watch` while inside."""
    task = asyncio.create_task(watch(processor, admin))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
