"""What lies where in a data folder, and the small state file beside the broker's own files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one data folder."""

    data: Path

    @property
    def log_dir(self) -> Path:
        """Kafka's own files."""
        return self.data / "topics"

    @property
    def properties(self) -> Path:
        """The broker's settings."""
        return self.data / "server.properties"

    @property
    def secure(self) -> Path:
        """Passwords and certificate, where the broker is a secure one."""
        return self.data / "secure"

    @property
    def log(self) -> Path:
        """What the broker says."""
        return self.data / "kafka.log"

    @property
    def start_lock(self) -> Path:
        """Held while someone starts, stops or wipes."""
        return self.data / "start.lock"

    @property
    def broker_lock(self) -> Path:
        """Held by the broker as long as it lives."""
        return self.data / "broker.lock"

    @property
    def state(self) -> Path:
        """The port of the latest start; its presence marks a folder of ours."""
        return self.data / "penstock-kafka.json"

    @property
    def pid(self) -> Path:
        """The process id of the latest start, valid only while the broker's lock is held."""
        return self.data / "kafka.pid"

    def write_port(self, port: int) -> None:
        """Remember the port, before the launch: a broker whose starter died must still be found."""
        part = self.state.with_suffix(".part")
        part.write_text(json.dumps({"port": port}), encoding="utf-8")
        part.replace(self.state)

    def read_port(self) -> int | None:
        """The port of the latest start; None where there was none."""
        try:
            return int(json.loads(self.state.read_text(encoding="utf-8"))["port"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def read_pid(self) -> int | None:
        """The process id of the latest start; None where there was none."""
        try:
            return int(self.pid.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def rotate_log(self) -> None:
        """Keep the log of the latest start apart from the one before, which is kept once."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
