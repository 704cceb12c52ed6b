"""The long form: `python -m tests.crash.long --seeds 20` repeats every fault and writes docs/reliability.md."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reliability.md"


def main() -> int:
    """Run it; returns pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how often each fault is repeated")
    parser.add_argument("--at-once", type=int, default=4, help="how many runs go side by side")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the table is written")
    asked = parser.parse_args()
    os.environ["CI"] = "true"  # without a broker nothing is proved: that is a failure here, and no reason to skip
    os.environ["PENSTOCK_CRASH_SEEDS"] = str(asked.seeds)
    os.environ["PENSTOCK_CRASH_AT_ONCE"] = str(asked.at_once)
    os.environ["PENSTOCK_CRASH_PAGE"] = str(asked.page.absolute())
    return pytest.main(["-q", "-s", str(HERE)])


if __name__ == "__main__":
    sys.exit(main())
