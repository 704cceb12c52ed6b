"""file_source and file_sink behind fsspec URLs, killed at any of their awaits: nothing lost, repeats recognised."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import connector_cases as cases
import pytest

from penstock.connectors import file_rows
from penstock.testing.connector_kit import SinkCase, SourceCase, trial

SEEDS = 4


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path, absent: Callable[[str], None]) -> Iterator[tuple[str, Any]]:
    """A URL to work in, and the file system behind it."""
    if importlib.util.find_spec("fsspec") is None:
        absent("the extra `files` is not installed")
    import fsspec

    folder = "/penstock-tests" if request.param == "memory" else str(tmp_path / "behind")
    system = fsspec.filesystem(request.param)
    system.makedirs(folder, exist_ok=True)
    yield f"{request.param}://{folder}", system
    system.rm(folder, recursive=True)


def inside(system: Any, url: str, ending: str) -> list[str]:
    return sorted(system.glob(f"{url.partition('://')[2]}/**/*.{ending}"))


def source(folder: Path, url: str, system: Any) -> SourceCase:
    async def begin() -> None:
        for name in inside(system, url, "jsonl"):
            system.rm(name)

    async def feed(n: int) -> None:
        """An object per ten lines; each is written whole, with one line more, as object stores do it."""
        name = f"{url.partition('://')[2]}/{n // 10}.jsonl"
        lines = "".join(json.dumps({"n": number}) + "\n" for number in range(n // 10 * 10, n + 1))
        system.pipe_file(name, lines.encode())

    options = f'type: file_source, path: "{url}/*.jsonl", topic: orders, batch_size: 7, poll: 10ms'
    return SourceCase(
        topology=cases.topology(folder, options),
        connector="edge",
        feed=feed,
        begin=begin,
        count=cases.COUNT,
        which=lambda event: event.data["n"],
        steps=30,
        look=0.2,
    )


def sink(folder: Path, url: str, system: Any) -> SinkCase:
    async def begin() -> None:
        for name in inside(system, url, "jsonl"):
            system.rm(name)

    async def held() -> list[int]:
        found = (file_rows.decode("jsonl", system.cat_file(name)) for name in inside(system, url, "jsonl"))
        return [row["data"]["n"] for rows in found for row in rows]

    return dataclasses.replace(cases.file_sink(folder, path=url), begin=begin, held=held)


def test_a_source(tmp_path: Path, place: tuple[str, Any]) -> None:
    verdict = trial(source(tmp_path, *place), seeds=SEEDS)

    assert (verdict.lost, verdict.unrecognised) == (0, 0)
    assert verdict.kills >= SEEDS


def test_a_sink(tmp_path: Path, place: tuple[str, Any]) -> None:
    verdict = trial(sink(tmp_path, *place), seeds=SEEDS)

    assert (verdict.lost, verdict.duplicates) == (0, 0)
    assert verdict.kills >= SEEDS
