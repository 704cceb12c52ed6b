"""What the cron source can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from penstock.topology.connector_options import SourceOptions
from penstock.topology.option import option


@dataclass(frozen=True, kw_only=True)
class CronOptions(SourceOptions):
    """Sends an event at each tick of a schedule, from one of its replicas; the tick names its id."""

    connector: ClassVar[str] = "cron"
    implementation: ClassVar[str] = "penstock.connectors.cron:Cron"
    extra: ClassVar[str] = "cron"
    dead_letters: ClassVar[bool] = False

    schedule: str = option(
        "text", "Five fields of cron, or six with seconds first; in quotes.", example='"0 8 * * mon-fri"'
    )
    timezone: str = option("text", "Where the schedule is read; daylight saving time holds.", default="UTC")
    missed: str = option(
        "choice",
        "Ticks that passed while nothing ran (over a minute ago): none, the last one, or every one.",
        default="once",
        choices=("skip", "once", "all"),
    )
    key: str | None = option("text", "Key of the events.", default=None)
    data: Mapping[str, Any] = option("free", "Data of the events; `tick` is added to it.", factory=dict)

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """See ConnectorOptions."""
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            yield "timezone", f"there is no time zone {self.timezone!r}", "a name of the IANA list: Europe/Zurich"
        try:
            from cronsim import CronSim, CronSimError
        except ModuleNotFoundError:
            return  # looked at when it runs
        from datetime import UTC, datetime

        try:
            CronSim(self.schedule, datetime.now(UTC))
        except CronSimError as error:
            yield "schedule", f"{self.schedule!r} is no schedule: {error}", 'five fields of cron: "*/5 * * * *"'
