"""PostgreSQL as a process on loopback, from the binaries of the system's package."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from penstock.local_kafka.launch import free_port

USER: Final = "postgres"  # the server refuses to run as root: then it runs as this user of the machine


class PostgresServer:
    """One server with its own data folder."""

    SETTINGS = "-c fsync=off -c wal_level=logical"  # nobody pulls the plug of these tests; Debezium reads the log

    def __init__(self) -> None:
        self._folder: Path | None = None
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @classmethod
    def missing(cls) -> str:
        """What cannot be had here; '' where it can be started."""
        return "" if cls.binaries() else "PostgreSQL is not installed (initdb, pg_ctl): apt install postgresql"

    @staticmethod
    def binaries() -> Path | None:
        """The folder of initdb and pg_ctl, the newest there is."""
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
        found = places[-1] if places else shutil.which("initdb")
        return Path(found).parent if found else None

    def start(self) -> str:
        """Start it and return its address, once it serves."""
        folder = self._folder = Path(tempfile.mkdtemp(prefix="penstock-postgres-"))  # pytest's are for one user alone
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync")
        return self._serve(folder)

    def kill(self) -> None:
        """SIGKILL to the server and every process of it; its data stays."""
        assert self._folder is not None
        lock = self._folder / "data" / "postmaster.pid"
        first = int(lock.read_text().split()[0])
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(first)], capture_output=True, text=True, check=False)
        for process in (first, *map(int, found.stdout.split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for left in (lock, self._folder / f".s.PGSQL.{self.port}.lock"):
            left.unlink()  # where nobody collects the dead, the next server would take this one for alive

    def start_again(self) -> str:
        """Start it on the data that a kill left."""
        assert self._folder is not None
        return self._serve(self._folder)

    def _serve(self, folder: Path) -> str:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} {self.SETTINGS}"
        self._run("pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")
        return self.url

    def stop(self) -> None:
        """End it at once, and remove its data."""
        if self._folder is None:
            return
        if (self._folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _run(self, program: str, *args: str) -> None:
        binaries = self.binaries()
        assert binaries is not None
        assert self._folder is not None
        user = USER if os.geteuid() == 0 else None
        control = self._folder.with_suffix(".log")
        with control.open("wb") as log:
            done = subprocess.run(
                [str(binaries / program), *args], check=False, stdout=log, stderr=log, user=user, cwd=self._folder
            )
        said = control.read_text(errors="replace")
        control.unlink()
        assert done.returncode == 0, f"{program}: {said}"
