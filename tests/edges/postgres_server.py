"""PostgreSQL as a process on loopback, from the binaries of the system's package."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from penstock.local_kafka.launch import free_port


class PostgresServer:
    """One server with its own data folder. As root it runs as the user `postgres`, since it refuses to be root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._port = free_port()

    @staticmethod
    def binaries() -> Path | None:
        """The folder of initdb and pg_ctl, the newest there is."""
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
        found = places[-1] if places else shutil.which("initdb")
        return Path(found).parent if found else None

    def start(self) -> str:
        """Start it and return its address, once it serves."""
        if os.geteuid() == 0:
            for parent in (self._folder, *self._folder.parents[:2]):
                parent.chmod(0o755)
            shutil.chown(self._folder, "postgres")
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "--no-sync")
        options = (
            f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c fsync=off"
        )
        self._run("pg_ctl", "-D", self._data, "-w", "-l", self._folder / "log", "-o", options, "start")
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def stop(self) -> None:
        """End it."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def _run(self, program: str, *args: object) -> None:
        binaries = self.binaries()
        assert binaries is not None
        user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
        command = [str(binaries / program), *map(str, args)]
        with (self._folder / "control.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, user=user, cwd=self._folder)
