"""The Kafka client's own lines on their way into the log: what it simply tries again is for debugging only."""

from __future__ import annotations

import logging
from typing import Final

from penstock.broker.kafka.settings import LOGGER

# Connections that failed and are made anew, some twenty times a second while a broker is away (measured). Who is
# concerned says it once, in words: troubles.py for a member, whoever asked or sends for the others.
_TRIED_AGAIN: Final = frozenset({"FAIL", "GETPID", "REQTMOUT"})


class ClientLog:
    """What a client takes as its `logger`: it calls `log(level, "%s [%s] %s", facility, client, text)`."""

    def __init__(self) -> None:
        self._log = logging.getLogger(LOGGER)

    def log(self, level: int, message: str, *args: object) -> None:
        """One line of the client."""
        repeated = bool(args) and args[0] in _TRIED_AGAIN
        self._log.log(min(level, logging.DEBUG) if repeated else level, message, *args)
