"""The desk of the gateway's tests: made in a folder of its own, its processes ended with the test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from desk import Desk  # noqa: E402


@pytest.fixture
def make_desk(tmp_path: Path, topic_name: Callable[[str], str]) -> Iterator[Callable[..., Desk]]:
    """`make_desk(bootstrap, "max_outstanding: 10")`: a desk whose topics are there."""
    made: list[Desk] = []

    def make(bootstrap: str, more: str = "") -> Desk:
        desk = Desk(tmp_path, topic_name("desk"), bootstrap, more)
        made.append(desk)
        desk.apply()
        return desk

    yield make
    for desk in made:
        desk.close()
