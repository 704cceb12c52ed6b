"""Every deliberate bug of the catalogue is found by the simulation: a checker that cannot fail proves nothing."""

from __future__ import annotations

import pytest

from tests.mutations.catalogue import MUTATIONS
from tests.mutations.hunt import hunt
from tests.simulation.simulate import simulate
from tests.simulation.world import plan_of


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    found = hunt(MUTATIONS[name])

    assert found is not None, f"no seed finds this: {MUTATIONS[name].breaks}"
    print(f"{name}: seed {found.seed}, {found.violation}")
    assert found.seed == MUTATIONS[name].seed, "another seed finds it now: put that into its entry, and the table anew"


def test_there_are_enough_of_them():
    assert len(MUTATIONS) >= 15


@pytest.mark.parametrize("seed", sorted({one.seed for one in MUTATIONS.values()}))
def test_the_engine_itself_passes_the_seeds_that_find_them(seed):
    """And a mutation leaves no trace once it is taken out."""
    with MUTATIONS["commit-highest-seen"].applied():
        pass

    assert simulate(plan_of(seed)).violation is None
