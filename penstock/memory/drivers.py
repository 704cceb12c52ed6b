"""Client libraries of memory backends: loaded when a memory of that type is opened, and asked for by their extra."""

from __future__ import annotations

import importlib
from typing import Any

from penstock.errors import MemoryFailed


def driver(module: str, extra: str) -> Any:
    """The module. Raises MemoryFailed that names the extra to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MemoryFailed(
            f"this type of memory needs the module {module!r}: {error}", f"pip install 'penstock[{extra}]'"
        ) from error
