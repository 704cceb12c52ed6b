"""Says before anything starts what would make a run impossible: file handles, disk, packages."""

from __future__ import annotations

import importlib.util
import resource
import shutil
from pathlib import Path

HANDLES = 4096  # the broker keeps three files open per partition, and there are a few hundred
_SPARE = 1 << 30
_NEEDED = {"uvloop": "uvloop", "jgo": "local", "orjson": ""}


class Impossible(Exception):
    """The run cannot be made here; the message says why and what to do."""


def check(data: Path, bytes_needed: int) -> None:
    """Raise Impossible with everything that is missing."""
    missing = [*_packages(), *_handles(), *_disk(data, bytes_needed)]
    if missing:
        raise Impossible("this run is not possible here:\n" + "\n".join(f"  - {one}" for one in missing))


def _packages() -> list[str]:
    return [
        f"the package {name} is not installed" + (f': pip install "penstock[{extra}]"' if extra else "")
        for name, extra in _NEEDED.items()
        if importlib.util.find_spec(name) is None
    ]


def _handles() -> list[str]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= HANDLES or soft == resource.RLIM_INFINITY:
        return []
    if hard != resource.RLIM_INFINITY and hard < HANDLES:
        return [f"{HANDLES} open files are needed and {hard} are allowed: raise the limit (ulimit -Hn)"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (HANDLES, hard))  # ours, and so the broker's, which inherits it
    return []


def _disk(data: Path, needed: int) -> list[str]:
    try:
        data.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(data).free
    except OSError as error:
        return [f"{data} cannot be used: {error.strerror}"]
    wanted = needed + _SPARE
    if free >= wanted:
        return []
    return [f"the disk that holds {data} has {free >> 20} MiB left and {wanted >> 20} are needed: --data names another"]
