"""Kafka Connect with Debezium's PostgreSQL connector, standalone on loopback: fetched by Maven once, run by Java."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from penstock.local_kafka.java import find_java
from penstock.local_kafka.launch import free_port

WANTED = {
    "org.apache.kafka:connect-runtime": "4.3.0",
    "org.apache.kafka:connect-json": "4.3.0",
    "org.apache.kafka:connect-file": "4.3.0",
    "io.debezium:debezium-connector-postgres": "3.5.0.Final",
    "org.slf4j:slf4j-simple": "1.7.36",
}
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "penstock-tests" / "connect-4.3.0"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tests</groupId><artifactId>connect</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>{}</dependencies></project>
"""
_ONE = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
_JSON = "org.apache.kafka.connect.json.JsonConverter"


class ConnectServer:
    """One worker and its connectors, each a map of Connect's own settings."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self._folder = folder
        self._bootstrap = bootstrap
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """What cannot be had here; '' where it can be started."""
        if not CACHE.is_dir() and shutil.which("mvn") is None:
            return "Kafka Connect is fetched by Maven, and there is no mvn"
        return ""

    def start(self, *connectors: Mapping[str, str]) -> None:
        """Start it; it serves when its records come."""
        fetch()
        worker = {
            "bootstrap.servers": self._bootstrap,
            "key.converter": _JSON,
            "value.converter": _JSON,
            "offset.storage.file.filename": str(self._folder / "offsets"),
            "offset.flush.interval.ms": "1000",
            "listeners": f"http://127.0.0.1:{free_port()}",
        }
        files = [self._written("worker", worker)]
        files += [self._written(one["name"], one) for one in connectors]
        command = [str(find_java()), "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{CACHE}/*"]
        with (self._folder / "connect.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "org.apache.kafka.connect.cli.ConnectStandalone", *files], stdout=log, stderr=log
            )

    def _written(self, name: str, settings: Mapping[str, str]) -> str:
        path = self._folder / f"{name}.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return str(path)

    @property
    def log(self) -> str:
        """What it has said, the last of it."""
        return (self._folder / "connect.log").read_text(errors="replace")[-3000:]

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def fetch() -> None:
    """Bring the jars, where they are not here yet."""
    if CACHE.is_dir():
        return
    part = CACHE.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    wanted = "".join(_ONE.format(*name.split(":"), version) for name, version in WANTED.items())
    (part / "pom.xml").write_text(_POM.format(wanted))
    copy = ["mvn", "-q", "-B", f"{PLUGIN}:copy-dependencies", "-DoutputDirectory=lib"]
    subprocess.run(copy, cwd=part, check=True, capture_output=True)
    (part / "lib").replace(CACHE)
    shutil.rmtree(part)


if __name__ == "__main__":  # what is fetched is set-up, and no test's time
    if ConnectServer.missing():
        sys.exit(ConnectServer.missing())
    fetch()
