"""A Chroma server as a process on loopback: the one that its own package brings."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from pathlib import Path

from penstock.local_kafka.launch import free_port

UP_WITHIN = 60.0  # seconds; 2 on an idle machine


class ChromaServer:
    """One Chroma on a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """What cannot be had here; '' where it can be started."""
        if importlib.util.find_spec("chromadb") is None:
            return "there is no chromadb: pip install 'penstock[chroma]'"
        return "" if (Path(sys.executable).parent / "chroma").exists() else "chromadb came without its command"

    def start(self) -> str:
        """Start it, and return its URL once it listens."""
        words = ["run", "--path", str(self._folder / "data"), "--host", "127.0.0.1", "--port", str(self._port)]
        with (self._folder / "chroma.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).parent / "chroma"), *words], stdout=log, stderr=log, cwd=self._folder
            )
        end = time.monotonic() + UP_WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"chroma does not start; see {self._folder / 'chroma.log'}") from None
                time.sleep(0.1)
            else:
                return f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
