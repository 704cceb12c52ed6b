"""Which version of the app's own code runs: what its deploy says, else what git says of its folder."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "PENSTOCK_CODE_VERSION"


def code_version(directory: Path, environ: Mapping[str, str]) -> str:
    """The variable PENSTOCK_CODE_VERSION, or `git describe` of the folder (`-dirty` where it was changed), or ''."""
    said = environ.get(VARIABLE, "").strip()
    if said:
        return said[:100]
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
            command, cwd=directory, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
