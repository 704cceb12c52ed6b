"""An exception as a Failure: its type, its message, and a fingerprint that equal causes share.

Fingerprint: 16 hex digits over processor, error type, the innermost frame of the app's own code (file:function),
and the message without digits and quoted parts.
"""

from __future__ import annotations

import hashlib
import re
import traceback
from pathlib import Path
from typing import Final

from penstock.engine.outcome import Failure

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_DIGITS: Final = re.compile(r"\d+")
_FOREIGN: Final = ("site-packages", "dist-packages", "/lib/python", "/.venv")


def failure_of(error: BaseException, processor: str, app: Path) -> Failure:
    """What went wrong in `processor`, whose code stands below the folder `app`."""
    type_name = _qualified(type(error))
    message = str(error) or type(error).__name__
    trace = "".join(traceback.format_exception(error))
    return Failure(type_name, message, fingerprint(processor, type_name, _own_frame(error, app), message), trace)


def plain_failure(type_name: str, message: str, processor: str) -> Failure:
    """A failure that no exception stands behind."""
    return Failure(type_name, message, fingerprint(processor, type_name, "", message))


def fingerprint(processor: str, type_name: str, frame: str, message: str) -> str:
    """16 hex digits, equal for equal causes."""
    shape = _DIGITS.sub("", _QUOTED.sub("", message))
    return hashlib.sha256(f"{processor}\x00{type_name}\x00{frame}\x00{shape}".encode(errors="replace")).hexdigest()[:16]


def _qualified(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _own_frame(error: BaseException, app: Path) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    root = str(app.resolve())
    for frame in reversed(frames):
        if frame.filename.startswith(root) and not any(part in frame.filename for part in _FOREIGN):
            return f"{frame.filename[len(root) :].lstrip('/')}:{frame.name}"
    return f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else ""
