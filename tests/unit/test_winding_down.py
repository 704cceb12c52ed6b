"""A worker that is told to stop commits before it leaves; told so twice, it still gives that commit a moment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.engine.assignment import Assignment
from penstock.testing.virtual_time import VirtualClock, run_virtual


class Committer:
    """Each commit takes `seconds`; the first `refused` of them are."""

    def __init__(self, seconds: float, refused: int = 0) -> None:
        self._seconds = seconds
        self._refused = refused
        self.made = 0

    async def commit(self, _partitions: Any) -> bool:
        await asyncio.sleep(self._seconds)
        self._refused -= 1
        self.made += self._refused < 0
        return self._refused < 0


def wound_down(committer: Any, *, grace: float, hurry_at: float | None = None) -> float:
    """How long winding down took, in virtual seconds."""

    async def main(clock: VirtualClock) -> float:
        nothing: Any = SimpleNamespace(runs_any=lambda _leaving: False)
        assignment = Assignment(
            nothing, {}, nothing, nothing, committer, nothing, nothing, grace, lambda: False, nothing
        )
        if hurry_at == 0:
            assignment.hurry()
        elif hurry_at is not None:
            asyncio.get_running_loop().call_later(hurry_at, assignment.hurry)
        began = clock.monotonic()
        await assignment.wind_down()
        return clock.monotonic() - began

    return run_virtual(main)


def test_what_is_finished_is_committed():
    committer = Committer(0.1)
    assert wound_down(committer, grace=5.0) == pytest.approx(0.1)
    assert committer.made == 1


def test_a_refused_commit_is_made_again():
    committer = Committer(0.1, refused=2)
    assert wound_down(committer, grace=5.0) == pytest.approx(1.3)
    assert committer.made == 1


def test_a_broker_that_does_not_answer_costs_the_grace():
    assert wound_down(Committer(1e9), grace=5.0) == pytest.approx(5.0)


@pytest.mark.parametrize("hurry_at", [0.0, 1.0])
def test_a_second_signal_gives_the_commit_a_moment(hurry_at):
    committer = Committer(hurry_at + 0.3)
    assert wound_down(committer, grace=5.0, hurry_at=hurry_at) == pytest.approx(hurry_at + 0.3)
    assert committer.made == 1
    assert wound_down(Committer(1e9), grace=5.0, hurry_at=hurry_at) == pytest.approx(hurry_at + 0.5)
