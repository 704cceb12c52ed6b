"""The crash suite: every fault over a few seeds; over many, with a table of what came out, in its long form."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:  # for `tests.crash.*`, where pytest was not started as `python -m pytest`
    sys.path.insert(0, str(ROOT))

from tests.crash.outcome import Outcome  # noqa: E402
from tests.crash.report import write  # noqa: E402

Scenario = Callable[[str, Path, int], Outcome]


class Crash:
    """Runs scenarios and keeps their outcomes. A scenario takes bootstrap servers, a folder and a seed."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        self.outcomes: list[Outcome] = []
        self.long = int(os.environ.get("PENSTOCK_CRASH_SEEDS", "0"))

    def over_seeds(self, *scenarios: Scenario, seeds: int = 1, at_once: int = 2) -> None:
        """Each scenario with seeds 0 ... n-1, so many runs side by side; the long form says how many seeds."""
        with ThreadPoolExecutor(at_once) as pool:
            runs = [
                pool.submit(one, self.bootstrap, self.folder, seed)
                for seed in range(self.long or seeds)
                for one in scenarios
            ]
        self.outcomes += [run.result() for run in runs if run.exception() is None]
        for run in runs:
            run.result()


@pytest.fixture(scope="session")
def suite(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    began = time.monotonic()
    crash = Crash(kafka, tmp_path_factory.mktemp("crash"))
    yield crash
    if page := os.environ.get("PENSTOCK_CRASH_PAGE"):
        write(Path(page), crash.outcomes, time.monotonic() - began)


@pytest.fixture
def crash(suite: Crash) -> Crash:
    """The suite; a test calls `crash.over_seeds(scenario)`."""
    return suite


@pytest.fixture
def long_form(suite: Crash) -> None:
    """For what takes minutes: skipped in the short form."""
    if not suite.long:
        pytest.skip("only in the long form: make crash")
