"""How a test says which faults it is about: `@faults(scenario, ...)`; a scenario is run once per seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest

from tests.crash.outcome import Outcome

Scenario: TypeAlias = Callable[[str, Path, int], Outcome]
"""Bootstrap servers, a folder of the suite's, a seed."""
Test = TypeVar("Test", bound=Callable[..., Any])
CLASSIC = {"group.protocol": "classic"}


@dataclass(frozen=True)
class Faults:
    """The scenarios of one test. `slow` ones begin first; `only_long` is for the long form."""

    test: str
    scenarios: tuple[Scenario, ...]
    slow: bool = False
    only_long: bool = False


def faults(*scenarios: Scenario, slow: bool = False, only_long: bool = False) -> Callable[[Test], Test]:
    """Mark a test with its scenarios; its fixture `outcomes` then holds what they came to."""

    def mark(test: Test) -> Test:
        test.faults = Faults(test.__name__, scenarios, slow, only_long)  # type: ignore[attr-defined]
        return pytest.mark.kafka(test)  # type: ignore[return-value]

    return mark
