"""The broker's jars: fetched once by their coordinates, held to known checksums, kept in a per-user cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from penstock.errors import LocalKafkaError
from penstock.local_kafka.lock import hold

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA_VERSION: Final = "4.3.0"
_AT_ONCE: Final = 8  # downloads in parallel; more gains nothing against one server


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of `jars.lock`."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file's name, as Maven would call it."""
        return f"{self.artifact}-{self.version}.jar"


def home() -> Path:
    """Where penstock keeps what it fetched: PENSTOCK_HOME, else `penstock` in the user's cache folder."""
    if chosen := os.environ.get("PENSTOCK_HOME"):
        return Path(chosen).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "penstock"


def locked_jars() -> tuple[Jar, ...]:
    """The jars that make this broker, as pinned in `jars.lock`."""
    text = resources.files(__package__).joinpath("jars.lock").read_text(encoding="utf-8")
    jars = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinates, sha256, size = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group, artifact, version, sha256, int(size)))
    return tuple(jars)


def fetch(say: Callable[[str], None] = lambda _: None) -> tuple[Path, ...]:
    """The paths of all jars, fetching those that are not in the cache yet; `say` hears of progress, line by line.

    A jar enters the cache whole and checked or not at all, so that an interrupted fetch simply goes on next time.
    Raises LocalKafkaError where they cannot be had.
    """
    jars = locked_jars()
    folder = home() / "kafka" / KAFKA_VERSION
    if missing(jars, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder / "fetch.lock", on_wait=lambda: say("waiting for another process that fetches Kafka")):
            _fetch_missing(missing(jars, folder), folder, say)
    return tuple(folder / jar.name for jar in jars)


def missing(jars: Sequence[Jar], folder: Path) -> tuple[Jar, ...]:
    """Those that are not in the folder. What is there was checked before it was put there."""
    return tuple(jar for jar in jars if not (folder / jar.name).is_file())


def _fetch_missing(jars: Sequence[Jar], folder: Path, say: Callable[[str], None]) -> None:
    if not jars:
        return
    megabytes = sum(jar.size for jar in jars) / 1e6
    say(f"fetching Apache Kafka {KAFKA_VERSION}: {len(jars)} jars, {megabytes:.0f} MB (once)")
    with tempfile.TemporaryDirectory(dir=folder, prefix="incoming-") as incoming, ThreadPoolExecutor(_AT_ONCE) as pool:
        repository = _repository(Path(incoming))
        waiting = [pool.submit(_fetch_one, jar, repository, folder) for jar in jars]
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                future.result()
                if done % 10 == 0 or done == len(jars):
                    say(f"fetched {done} of {len(jars)} jars")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _repository(incoming: Path) -> MavenContext:
    """A resolver that downloads into `incoming`: never into ~/.m2, where a broken download would stay for others."""
    try:
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError:
        raise LocalKafkaError(
            "fetching the local Kafka needs the package jgo, which is not installed",
            'pip install "penstock[local]"',
        ) from None
    mirror = os.environ.get("PENSTOCK_MAVEN_REPOSITORY") or MAVEN_CENTRAL_URL
    return MavenContext(repo_cache=incoming, remote_repos={"central": mirror.rstrip("/")}, timeout=30)


def _fetch_one(jar: Jar, repository: MavenContext, folder: Path) -> None:
    found = _in_local_maven(jar) or _download(jar, repository)
    part = folder / f".{jar.name}.part"
    try:
        shutil.copyfile(found, part)
        part.replace(folder / jar.name)
    except OSError as error:
        raise LocalKafkaError(
            f"{jar.name} cannot be written to {folder}: {error.strerror or error}",
            "make room there, or set PENSTOCK_HOME to another folder",
        ) from error


def _in_local_maven(jar: Jar) -> Path | None:
    """The jar in this user's own Maven repository, where it is there and whole."""
    repository = Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")
    path = repository.joinpath(*jar.group.split("."), jar.artifact, jar.version, jar.name)
    return path if path.is_file() and _sha256(path) == jar.sha256 else None


def _download(jar: Jar, repository: MavenContext) -> Path:
    hint = (
        "check the network and try again; behind a firewall set PENSTOCK_MAVEN_REPOSITORY to a Maven mirror, "
        "or point KAFKA_BOOTSTRAP_SERVERS at a Kafka you have"
    )
    try:
        path = repository.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (OSError, RuntimeError) as error:  # what requests and jgo raise
        raise LocalKafkaError(f"{jar.name} cannot be fetched: {error}", hint) from error
    if _sha256(path) != jar.sha256:
        raise LocalKafkaError(f"{jar.name} was fetched, and its checksum is not the known one", hint)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
