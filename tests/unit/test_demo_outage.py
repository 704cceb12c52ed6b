"""The outage that `make run` shows, judged as it judges it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from demo import outage
from penstock.topology.reader import read

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_outage_of_the_demonstration_holds_its_claims() -> None:
    found = outage.perform(read(ROOT / "topology.yaml", os.environ))

    assert found.broken_claims() == []
    assert found.deferred > 0
    assert len(replace(found, done=1, spent=1, dead=1, taken=999, asked=999).broken_claims()) == 5
