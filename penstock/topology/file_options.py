"""What the file source and the file sink can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from penstock.topology.connector_options import SinkOptions, SourceOptions
from penstock.topology.option import option

FORMATS: Final = ("jsonl", "csv", "parquet")
_FOREVER: Final = 1e9  # seconds: an event waits until its file is closed, however long that takes
_MOST_OPEN: Final = 20_000


@dataclass(frozen=True, kw_only=True)
class FileSourceOptions(SourceOptions):
    """Reads files that grow, are rotated or truncated; its cursor says how far it is in each."""

    connector: ClassVar[str] = "file_source"
    implementation: ClassVar[str] = "penstock.connectors.file_source:FileSource"
    extra: ClassVar[str] = "files"

    path: str = option(
        "text", "A file, or a pattern with `*`; an fsspec URL by the extra `files`.", example="inbox/*.jsonl"
    )
    format: str = option("choice", "What the files hold; parquet by the extra.", default="jsonl", choices=FORMATS)
    key: str | None = option("text", "Key of an event: a field's path.", default=None, example="customer.id")
    id: str | None = option(
        "text", "Id of an event: a field's path; else made from file, place and content.", default=None
    )
    follow: bool = option("flag", "Go on as files grow and appear; else stop at the end.", default=True)
    poll: float = option("duration", "How often to look for more.", default=1.0, least=0.01)
    batch_size: int = option("count", "Events that are sent at once.", default=500, least=1, most=10_000)


@dataclass(frozen=True, kw_only=True)
class FileSinkOptions(SinkOptions):
    """Writes events to files, each of a fixed range of offsets of one partition: a repeat overwrites, never adds."""

    connector: ClassVar[str] = "file_sink"
    implementation: ClassVar[str] = "penstock.connectors.file_sink:FileSink"
    extra: ClassVar[str] = "files"
    gathers: ClassVar[bool] = True

    concurrency: int = _MOST_OPEN  # not options: what these are follows from how it works
    ordering: str = "none"
    timeout: float = _FOREVER
    batch: None = None
    path: str = option("text", "The folder; an fsspec URL by the extra `files`.", example="archive")
    format: str = option("choice", "What is written; parquet by the extra.", default="jsonl", choices=FORMATS)
    records_per_file: int = option(
        "count", "Offsets of one file; its name is the first of them.", default=1000, least=1, most=10_000
    )
    max_wait: float = option(
        "duration",
        "A file that is not full is written, whole, this often; its events are not finished yet.",
        default=10.0,
        least=0.05,
    )

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """See ConnectorOptions."""
        if "://" not in self.path and "*" in self.path:
            yield "path", "is a folder, not a pattern", "name the folder alone"
