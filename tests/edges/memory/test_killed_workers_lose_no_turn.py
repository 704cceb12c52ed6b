"""Workers killed with kill -9 on a real Kafka: every history whole, every event answered, in one way. On each memory.

The long form, with 1,000 conversations: python -m tests.edges.memory.crash
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
if str(ROOT) not in sys.path:  # where pytest was not started as `python -m pytest`
    sys.path.insert(0, str(ROOT))

from tests.edges.memory.crash_app import BACKENDS, missing  # noqa: E402
from tests.edges.memory.crash_play import Outcome, run  # noqa: E402

AT_ONCE = 3  # a play mostly waits: for a model, for a dead worker's session
SLOW = {"qdrant": 12, "chroma": 12, "omnimemory": 12}  # conversations of those that write slowly; they begin first
CONVERSATIONS = 30


@pytest.fixture(scope="module")
def outcomes(kafka: str) -> Iterator[dict[str, Future[Outcome]]]:
    """The plays of all backends that are here, some side by side."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            backend: pool.submit(run, backend, kafka, 1, SLOW.get(backend, CONVERSATIONS), turns=4, kills=2)
            for backend in sorted(BACKENDS, key=lambda one: one not in SLOW)
            if not missing(backend)
        }


@pytest.mark.kafka
@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_workers_lose_no_turn(outcomes, backend, absent):
    why = missing(backend)
    if why and backend == "omnimemory":
        pytest.skip(f"{why}, in an environment of its own")
    if why:
        absent(why)

    outcome = outcomes[backend].result()

    print(outcome)
    assert outcome.holds
    assert outcome.kills == 2
