"""A Redis as a process on loopback: `redis-server` of the machine (apt install redis-server)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

from penstock.local_kafka.launch import free_port

UP_WITHIN = 20.0  # seconds; 0.2 on an idle machine


class RedisServer:
    """One Redis that writes every change to disk before it answers, so that it may be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """What cannot be had here; '' where it can be started."""
        return "" if shutil.which("redis-server") else "there is no redis-server: apt install redis-server"

    def start(self) -> str:
        """Start it, and return its URL once it answers; after `kill`, with the same data on the same port."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *durable], stdout=log, stderr=log)
        end = time.monotonic() + UP_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"redis-server does not start; see {self._folder / 'redis.log'}")
            time.sleep(0.05)
        return self.url

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
