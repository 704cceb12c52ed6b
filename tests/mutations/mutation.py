"""What a mutation is, and the list that each file of them adds to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch


@dataclass(frozen=True)
class Mutation:
    """One bug put in. `places` are (owner, attribute, what stands there instead)."""

    name: str
    breaks: str
    seed: int
    places: tuple[tuple[Any, str, Any], ...]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The engine with this bug, while inside."""
        with ExitStack() as stack:
            for owner, attribute, instead in self.places:
                stack.enter_context(patch.object(owner, attribute, instead))
            yield


MUTATIONS: dict[str, Mutation] = {}


def mutation(name: str, breaks: str, seed: int, *places: tuple[Any, str, Any]) -> None:
    """Put one into the list."""
    assert name not in MUTATIONS
    MUTATIONS[name] = Mutation(name, breaks, seed, places)
