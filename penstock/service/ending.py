"""How a worker process ends when something in it will not: a handler that swallows its cancellation, a stuck thread.

Python would wait for both for ever, after everything that can be committed has been.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from typing import NoReturn

from penstock.engine.handler import THREADS

log = logging.getLogger("penstock.worker")
EXIT_STUCK = 70
_PATIENCE = 2.0


async def no_task_left() -> None:
    """Cancel every other task of the loop; end the process where one goes on."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        _, pending = await asyncio.wait(rest, timeout=_PATIENCE)
        if pending:
            names = ", ".join(sorted(task.get_name() for task in pending))
            at_once(f"{len(pending)} tasks do not end when cancelled ({names}): a handler swallows CancelledError")


def no_thread_left() -> None:
    """End the process where a thread of a plain `def` handler still runs: the interpreter would wait for it."""
    end = time.monotonic() + _PATIENCE
    for thread in threading.enumerate():
        if thread.name.startswith(THREADS):
            thread.join(max(end - time.monotonic(), 0.0))
            if thread.is_alive():
                at_once(f"the thread {thread.name} of a handler still runs")


def at_once(why: str) -> NoReturn:
    """End now, with code 70, waiting for nothing."""
    log.critical("%s; the process ends without waiting for it", why)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_STUCK)
