"""The watchdog: a process that looks alive and does nothing is the worst failure, so it is ended."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from penstock.service.health import Pulse

log = logging.getLogger("penstock.watchdog")
EXIT_ZOMBIE = 71


class Watchdog:
    """A thread that ends the process with code 71 when the pulse has stopped."""

    def __init__(self, pulse: Pulse, interval: float = 1.0, end: Callable[[int], object] = os._exit) -> None:
        self._pulse = pulse
        self._interval = interval
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="penstock-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval):
            problem = self._pulse.problem()
            if problem:
                log.critical("%s; the process ends so that its partitions move on", problem)
                self._end(EXIT_ZOMBIE)
                return
