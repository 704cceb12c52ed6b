"""Deliberate mutations of the engine: the bugs that systems of this kind really had, each one method replaced.

Every entry says what it breaks in a sentence. The simulation must catch each; `seed` is one that does.
"""

from __future__ import annotations

from tests.mutations import of_bounds, of_commits, of_hand_offs, of_hand_overs, of_losses, of_order
from tests.mutations.mutation import MUTATIONS, Mutation

__all__ = ["MUTATIONS", "Mutation"]
FILES = (of_commits, of_hand_overs, of_hand_offs, of_order, of_bounds, of_losses)  # each adds its own when imported
