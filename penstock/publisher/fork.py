"""What a forked child does with what it inherited: nothing, for ever."""

from __future__ import annotations

import ctypes
from typing import Any


def abandon(relic: Any) -> None:
    """Keep an object of the parent process from ever being destroyed in this one.

    A Kafka client's destructor takes locks that a thread of the parent may have held at the fork, and joins threads a
    child does not have; closing an inherited event loop takes file descriptors out of the parent's epoll set.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(relic))
