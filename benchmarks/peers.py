"""The peers: a Python environment of their own from peers.txt, and the JVM one from its jars. Made once, then kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PARALLEL_CONSUMER = "io.confluent.parallelconsumer:parallel-consumer-core:0.5.3.3"


@dataclass
class Peers:
    """How each peer is started; `absent` says of the others why they are not."""

    python: str | None = None
    java: tuple[str, ...] = ()
    absent: dict[str, str] = field(default_factory=dict)


def prepare(folder: Path, say: Callable[[str], None]) -> Peers:
    """Install what is missing. A peer that cannot be had is left out, with the reason; it stops nothing."""
    peers = Peers()
    try:
        peers.python = _python(folder / "bench-venv", say)
    except (OSError, subprocess.CalledProcessError) as error:
        peers.absent["Python peers"] = f"their environment could not be made: {_said(error)}"
    try:
        peers.java = _parallel_consumer(folder / "bench-java", say)
    except (OSError, subprocess.CalledProcessError, RuntimeError, ImportError) as error:
        peers.absent["Parallel Consumer"] = f"it could not be built: {_said(error)}"
    return peers


def _python(venv: Path, say: Callable[[str], None]) -> str:
    pinned = (HERE / "peers.txt").read_text(encoding="utf-8")
    python, stamp = venv / "bin" / "python", venv / "installed.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != pinned:
        say("installing the Python peers (once)")
        _run(sys.executable, "-m", "venv", "--clear", venv)
        _run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "peers.txt")
        stamp.write_text(pinned, encoding="utf-8")
    return str(python)


def _parallel_consumer(folder: Path, say: Callable[[str], None]) -> tuple[str, ...]:
    java, compiler = shutil.which("java"), shutil.which("javac")
    if java is None or compiler is None:
        raise RuntimeError("there is no Java 17 development kit (java and javac) on PATH")
    listed = folder / "class-path.txt"
    source = HERE / "parallel_consumer" / "Drain.java"
    built = folder / "Drain.class"
    if not listed.exists():
        say("fetching Parallel Consumer and what it needs (once)")
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(_jars(folder), encoding="utf-8")
    class_path = f"{folder}:{listed.read_text(encoding='utf-8')}"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        _run(compiler, "-cp", class_path, "-d", folder, source)
    return (java, "-Xmx2g", "-cp", class_path, "Drain")


def _jars(folder: Path) -> str:
    import jgo

    found = sorted(Path(jgo.build(PARALLEL_CONSUMER, cache_dir=folder).path).rglob("*.jar"))
    if not found:
        raise RuntimeError("its jars cannot be fetched")
    return ":".join(map(str, found))


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


def _said(error: BaseException) -> str:
    said = getattr(error, "stderr", "") or str(error)
    return " ".join(said.split())[-300:]
