"""A ceiling for the memory of a process: what it holds is looked at from outside, and the system's limits are not used.

Why not those: decision 0015.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

LOOKS_EVERY: Final = 0.25  # seconds
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int | None:
    """Bytes of real memory that a process holds; None where it is gone, or the system has no /proc to tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, IndexError):
        return None


async def outgrown(pid: int, limit: int) -> int:
    """The bytes it held, once they are more than `limit`. Waits for ever for a process that stays below."""
    while True:
        held = resident(pid) or 0
        if held > limit:
            return held
        await asyncio.sleep(LOOKS_EVERY)
