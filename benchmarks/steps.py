"""Where the loop's time goes, the same on every machine: bytecodes and calls per event, by function of ours.

`python -m benchmarks.steps` prints the table. A busy machine changes microseconds by half; these it does not change.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import uvloop

from benchmarks import features

EVENTS = 3000
_OURS = str(Path(__file__).parents[1] / "penstock")
_LEAST = 1.0  # bytecodes per event; below it a function is no part of the way of an event


def main() -> None:
    """All defaults on, a handler that does nothing, records in memory."""
    bytecodes, calls = count()
    rows = ["| function | calls | bytecodes |", "|---|---|---|"]
    for name, number in bytecodes.most_common():
        if number / EVENTS >= _LEAST:
            rows.append(f"| `{name}` | {calls[name] / EVENTS:.2f} | {number / EVENTS:.0f} |")
    total = f"| **all of ours** | **{calls.total() / EVENTS:.1f}** | **{bytecodes.total() / EVENTS:.0f}** |"
    print("\n".join([*rows, total]))


def count() -> tuple[Counter[str], Counter[str]]:
    """Bytecodes and calls of a whole run, by function."""
    bytecodes: Counter[str] = Counter()
    calls: Counter[str] = Counter()

    def called(frame: FrameType, _: str, __: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(_OURS):
            return None
        name = f"{Path(code.co_filename).relative_to(_OURS).with_suffix('')}: {code.co_qualname}"
        calls[name] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False

        def step(_: FrameType, event: str, __: Any) -> Any:
            if event == "opcode":
                bytecodes[name] += 1
            return step

        return step

    sys.settrace(called)
    try:
        features.EVENTS = EVENTS
        uvloop.run(features._run(features.FEATURES[0]))  # noqa: SLF001
    finally:
        sys.settrace(None)
    return bytecodes, calls


if __name__ == "__main__":
    main()
