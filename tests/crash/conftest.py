"""The crash suite: every fault once; over many seeds, with a table of what came out, in its long form (`make crash`).

Most of a run is waiting for a session to time out, so runs go side by side: all that the collected tests ask for are
started with the first of them, and each test waits for its own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:  # for `tests.crash.*`, where pytest was not started as `python -m pytest`
    sys.path.insert(0, str(ROOT))

from tests.crash.outcome import Outcome  # noqa: E402
from tests.crash.report import write  # noqa: E402
from tests.crash.scenario import Faults  # noqa: E402

SEEDS = int(os.environ.get("PENSTOCK_CRASH_SEEDS", "0"))  # 0: the short form, one seed
AT_ONCE = int(os.environ.get("PENSTOCK_CRASH_AT_ONCE", "4"))
PAGE = os.environ.get("PENSTOCK_CRASH_PAGE", "")


class Suite:
    """All runs of a session."""

    def __init__(self, bootstrap: str, folder: Path, asked: list[Faults]) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._runs: dict[Faults, list[Future[Outcome]]] = {}
        for faults in sorted(asked, key=lambda one: not one.slow):  # those that last begin first
            self._runs[faults] = [
                self._pool.submit(scenario, bootstrap, folder, seed)
                for seed in range(SEEDS or 1)
                for scenario in faults.scenarios
            ]

    def outcomes(self, faults: Faults) -> list[Outcome]:
        """What came out; raises what the first run that failed raised, once all are over."""
        runs = self._runs[faults]
        errors = [error for run in runs if (error := run.exception()) is not None]
        if errors:
            raise errors[0]
        return [run.result() for run in runs]

    def all_outcomes(self) -> list[Outcome]:
        """Of every run that held."""
        return [run.result() for runs in self._runs.values() for run in runs if run.exception() is None]

    def failures(self) -> list[str]:
        """Of every run that did not hold: its test, and what it said first."""
        return [
            f"{faults.test.removeprefix('test_').replace('_', ' ')}: {str(error).splitlines()[0]}"
            for faults, runs in self._runs.items()
            for run in runs
            if (error := run.exception()) is not None
        ]

    def end(self) -> None:
        """Begin no more runs, and wait for those that run: they leave no process behind."""
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def suite(kafka: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    found = [getattr(item.function, "faults", None) for item in request.session.items if hasattr(item, "function")]
    asked = [one for one in found if one is not None and (SEEDS or not one.only_long)]
    began = time.monotonic()
    suite = Suite(kafka, tmp_path_factory.mktemp("crash"), asked)
    try:
        yield suite
        if PAGE:
            write(Path(PAGE), suite.all_outcomes(), suite.failures(), time.monotonic() - began)
    finally:
        suite.end()


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> Iterable[Outcome]:
    """What the faults of this test came to, over all seeds. Each was checked on its own; looking waits for them."""
    faults: Faults = request.function.faults
    if faults.only_long and not SEEDS:
        pytest.skip("only in the long form: make crash")
    return Awaited(request.getfixturevalue("suite"), faults)


class Awaited:
    """Outcomes that are waited for when they are looked at, so that a run that fails fails the test itself."""

    def __init__(self, suite: Suite, faults: Faults) -> None:
        self._suite = suite
        self._faults = faults

    def __iter__(self) -> Iterator[Outcome]:
        found = self._suite.outcomes(self._faults)
        for one in found:
            print(one)
        return iter(found)
