"""Workers killed with kill -9 on a real Kafka: every history whole, every event answered, in one way. On each memory.

The long form, with 1,000 conversations: python -m tests.edges.memory.crash
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
if str(ROOT) not in sys.path:  # where pytest was not started as `python -m pytest`
    sys.path.insert(0, str(ROOT))

from tests.edges.memory.crash import BACKENDS, missing, run  # noqa: E402


@pytest.mark.kafka
@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_workers_lose_no_turn(kafka, backend, absent):
    if why := missing(backend):
        absent(why)

    outcome = run(backend, kafka, seed=1, conversations=60, turns=5, every=3.0, kills=3)

    print(outcome)
    assert outcome.holds
    assert outcome.kills > 0
