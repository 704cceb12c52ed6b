"""A process in which something will not end, ends all the same: code 70, waiting for nothing."""

import subprocess
import sys
import time

import pytest

from penstock.service.ending import EXIT_STUCK

SWALLOWS = """
import asyncio
from penstock.service import ending
ending._PATIENCE = 0.2
async def stubborn():
    while True:
        try: await asyncio.sleep(600)
        except asyncio.CancelledError: pass
async def main():
    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    await ending.no_task_left()
asyncio.run(main())
"""
THREAD = """
import threading, time
from penstock.service import ending
ending._PATIENCE = 0.2
threading.Thread(target=time.sleep, args=(600,), name="penstock-handler-work_0").start()
ending.no_thread_left()
"""
TIDY = """
import asyncio
from penstock.service import ending
async def main():
    task = asyncio.ensure_future(asyncio.sleep(600))
    await asyncio.sleep(0)
    await ending.no_task_left()
    assert task.cancelled()
asyncio.run(main())
ending.no_thread_left()
"""


@pytest.mark.parametrize(("code", "expected"), [(SWALLOWS, EXIT_STUCK), (THREAD, EXIT_STUCK), (TIDY, 0)])
def test_what_will_not_end_does_not_keep_the_process(code, expected):
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    assert time.monotonic() - started < 30
