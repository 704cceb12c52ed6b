"""Which of the exported alert rules fire: asked of a real Prometheus where it is installed.

Without one, the drill looks itself at what the rule DeadLettersRising is about, and says that it did.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from typing import Any, Final

import yaml

from demo.drill.stage import Stage
from penstock.local_kafka.launch import free_port

_DEAD: Final = re.compile(r'^penstock_dead_letters_total\{.*?processor="(\w+)",reason="(\w+)"\} (\S+)$', re.MULTILINE)


class Pager:
    """Watches the desk's workers from `begin` on; `firing` are the alerts that are on now, as a person is told them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._folder = stage.folder / "prometheus"
        self._program = shutil.which("prometheus")
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    @property
    def by(self) -> str:
        """Who evaluates the rules."""
        if self._program:
            return "Prometheus, which has all exported rules"
        return "the counters of /metrics (no Prometheus is installed: DeadLettersRising alone is looked at)"

    def begin(self) -> None:
        """Watch the workers that run now."""
        if self._program is None:
            return
        self._folder.mkdir()
        self.look_at_workers()
        (self._folder / "alerts.yml").write_text(self._stage.penstock("export", "alerts"), encoding="utf-8")
        scraped = {"job_name": "penstock", "file_sd_configs": [{"files": ["workers.json"], "refresh_interval": "1s"}]}
        every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config = {"global": every, "rule_files": ["alerts.yml"], "scrape_configs": [scraped]}
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self._port = free_port()
        with (self._folder / "log").open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [self._program, "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                 f"--web.listen-address=127.0.0.1:{self._port}"],
                cwd=self._folder, stdout=log, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        self._stage.until("Prometheus to look at the workers", self._sees_all)

    def look_at_workers(self) -> None:
        """After a deploy: the workers are others."""
        if self._program is not None:
            (self._folder / "workers.json").write_text(json.dumps([{"targets": self._stage.workers()}]))
            if self._process is not None:
                self._stage.until("Prometheus to look at the new workers", self._sees_all)

    def firing(self) -> list[str]:
        """One line for each alert that is on."""
        if self._process is None:
            return _rising(self._stage.workers())
        alerts = self._asked("/api/v1/alerts").get("alerts", [])
        found = [one for one in alerts if one["state"] == "firing"]
        return sorted(
            f"{one['labels']['alertname']} ({one['labels']['severity']}): {one['annotations']['summary']}"
            for one in found
        )

    def stop(self) -> None:
        """End Prometheus."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def _sees_all(self) -> bool:
        wanted = set(self._stage.workers())
        targets = self._asked("/api/v1/targets").get("activeTargets", [])
        return {one["labels"]["instance"] for one in targets if one["health"] == "up"} == wanted

    def _asked(self, path: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)["data"]
                return found
        except (urllib.error.URLError, OSError):
            return {}  # it starts


def _rising(workers: list[str]) -> list[str]:
    dead: Counter[tuple[str, str]] = Counter()
    for worker in workers:
        with urllib.request.urlopen(f"http://{worker}/metrics", timeout=5) as answer:
            for processor, reason, count in _DEAD.findall(answer.read().decode()):
                dead[processor, reason] += int(float(count))
    return sorted(
        f"DeadLettersRising (ticket): {processor}: dead letters, {reason}"
        for (processor, reason), count in dead.items()
        if count
    )
