"""Files where they are: on this machine, or behind any fsspec URL. All of it blocks, so call it from a thread."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class FileSeen:
    """One file as it was seen. `identity` follows it through a rename; '' where nothing does."""

    name: str
    identity: str
    size: int


class FileStore(Protocol):
    """What the file connectors need of a place for files."""

    def find(self, pattern: str) -> list[FileSeen]:
        """The files that a pattern names, by name."""
        ...

    def beside(self, name: str, identity: str) -> FileSeen | None:
        """The file of this identity in the same folder, under whatever name it has now."""
        ...

    def read(self, name: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`; fewer at the end. Raises FileNotFoundError."""
        ...

    def load(self, name: str) -> bytes | None:
        """All of a file; None where there is none."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """The whole file: readers see the old one or the new one, also after a crash."""
        ...


def store_for(path: str, directory: Path) -> tuple[FileStore, str]:
    """The store of a path or URL, and the path as that store wants it. Raises ModuleNotFoundError without fsspec."""
    if "://" in path:
        import fsspec

        filesystem, inner = fsspec.core.url_to_fs(path)
        return RemoteFiles(filesystem), str(inner)
    return LocalFiles(), str(directory / path)


class LocalFiles:
    """Files of this machine; a file is known by its inode."""

    def find(self, pattern: str) -> list[FileSeen]:
        """See FileStore."""
        names = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207
        return [seen for name in names if (seen := _seen(name)) is not None]

    def beside(self, name: str, identity: str) -> FileSeen | None:
        """See FileStore."""
        return next((seen for seen in self._in_folder(name) if seen.identity == identity), None)

    @staticmethod
    def _in_folder(name: str) -> Iterator[FileSeen]:
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(Path(name).parent.iterdir()):
                seen = _seen(str(entry))
                if seen is not None:
                    yield seen

    def read(self, name: str, start: int, length: int) -> bytes:
        """See FileStore."""
        with Path(name).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def load(self, name: str) -> bytes | None:
        """See FileStore."""
        try:
            return Path(name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """See FileStore: beside it first, flushed to the disk, then renamed over it."""
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.new")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name is as durable as the content: the offset moves past it next
        finally:
            os.close(folder)


def _seen(name: str) -> FileSeen | None:
    try:
        found = Path(name).stat()
    except FileNotFoundError:
        return None
    return FileSeen(name, f"{found.st_dev}-{found.st_ino}", found.st_size) if not Path(name).is_dir() else None


class RemoteFiles:
    """Files behind fsspec (object stores and the like): a write replaces the whole object at once."""

    def __init__(self, filesystem: Any) -> None:
        self._filesystem = filesystem

    def find(self, pattern: str) -> list[FileSeen]:
        """See FileStore."""
        self._filesystem.invalidate_cache()
        found = self._filesystem.glob(pattern, detail=True)
        return [FileSeen(name, "", one["size"] or 0) for name, one in sorted(found.items()) if one["type"] == "file"]

    def beside(self, name: str, identity: str) -> FileSeen | None:
        """See FileStore: nothing follows a rename here."""
        return None

    def read(self, name: str, start: int, length: int) -> bytes:
        """See FileStore."""
        found: bytes = self._filesystem.cat_file(name, start=start, end=start + length)
        return found

    def load(self, name: str) -> bytes | None:
        """See FileStore."""
        try:
            found: bytes = self._filesystem.cat_file(name)
        except FileNotFoundError:
            return None
        return found

    def write(self, name: str, content: bytes) -> None:
        """See FileStore."""
        self._filesystem.makedirs(name.rpartition("/")[0], exist_ok=True)
        self._filesystem.pipe_file(name, content)
