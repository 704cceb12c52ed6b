"""An exception as a Failure: its type, its message, and a fingerprint that equal causes share.

Fingerprint: 16 hex digits over processor, error type, the innermost frame of the app's own code (file:function),
and the message without digits and quoted parts.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from types import TracebackType
from typing import Final

from penstock.engine.outcome import Failure

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_DIGITS: Final = re.compile(r"\d+")
_FOREIGN: Final = ("site-packages", "dist-packages", "/lib/python", "/.venv")


def failure_of(error: BaseException, processor: str, app: Path) -> Failure:
    """What went wrong in `processor`, whose code stands below the folder `app` (resolved)."""
    type_name = _qualified(type(error))
    message = str(error) or type(error).__name__
    frame = _own_frame(error.__traceback__, str(app))
    return Failure(type_name, message, fingerprint(processor, type_name, frame, message), error)


def plain_failure(type_name: str, message: str, processor: str) -> Failure:
    """A failure that no exception stands behind."""
    return Failure(type_name, message, fingerprint(processor, type_name, "", message))


def fingerprint(processor: str, type_name: str, frame: str, message: str) -> str:
    """16 hex digits, equal for equal causes."""
    shape = _DIGITS.sub("", _QUOTED.sub("", message))
    return hashlib.sha256(f"{processor}\x00{type_name}\x00{frame}\x00{shape}".encode(errors="replace")).hexdigest()[:16]


def _qualified(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _own_frame(trace: TracebackType | None, root: str) -> str:
    """`file:function` of the innermost frame of the app's own code, else of the innermost of all."""
    own = last = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        name = code.co_filename
        last = f"{name.rpartition('/')[2]}:{code.co_name}"
        if name.startswith(root) and not any(part in name for part in _FOREIGN):
            own = f"{name[len(root) :].lstrip('/')}:{code.co_name}"
        trace = trace.tb_next
    return own or last
