"""The pytest plugin: the fixture `topology_run`. Loaded by pytest through the package's entry point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def topology_run() -> Callable[..., Any]:
    """`topology_run(topology, scenario, **options)`: see penstock.testing.kit.run_topology."""
    from penstock.testing.kit import run_topology

    return run_topology
