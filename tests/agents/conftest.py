"""Puts this folder on the path, so that its tests share `stage`; run by `make test-agents` alone."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)


def pytest_sessionstart() -> None:
    """A framework's first import takes a minute on a cold disk: that is no test's time."""
    from stage import warm_up

    warm_up()
