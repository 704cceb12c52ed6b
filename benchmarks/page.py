"""Writes docs/performance.md. What stands between the two remark lines is written by hand, and kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from benchmarks import features, tables
from benchmarks.results import Results
from benchmarks.workloads import Workload

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
_REMARKS: Final = re.compile(r"<!-- remarks -->\n.*?<!-- end of remarks -->", re.DOTALL)
_NO_REMARKS: Final = "<!-- remarks -->\n<!-- end of remarks -->"
_INTRODUCTION: Final = """\
Every figure here comes from one run of one command on one machine:

    {command}

Broker and clients share its cores, so absolute rates say little about yours. **Ratios do**: each is taken between two
runs next to each other, and the table shows the median of those pairs. All records are 512 B of JSON with three
headers, in 12 partitions.

Our side is the whole worker as `penstock run` makes it (key order, tracker, deadlines, metrics and health served, a
fresh context per run), each run in a new process. One default is off except in the row that says so: the log line per
attempt. Raw loops read key and headers and parse the JSON with the standard library; the JVM reference does not
parse it. Memory is the peak of the process (VmHWM). Rates count from the first record handled to the last; systems
stopped after 8 s are rated over what they did."""


def text(
    done: Sequence[tuple[Workload, Results]],
    machine: Sequence[tuple[str, str]],
    command: str,
    absent: Mapping[str, str],
    costs: Mapping[str, list[float]] | None,
    remarks: str = _NO_REMARKS,
) -> str:
    """The page. `absent` says why a peer was not measured; `costs` are the features' as measured, where they were."""
    lines = ["# Performance", "", _INTRODUCTION.format(command=command), "", remarks, ""]
    lines += ["## The machine", "", "| | |", "|---|---|", f"| date | {date.today().isoformat()} |"]  # noqa: DTZ011
    lines += [f"| {what} | {value} |" for what, value in machine]
    lines += ["", *(f"Not measured: {peer}, since {why}." for peer, why in absent.items())]
    for workload, results in done:
        lines += ["", f"## {workload.title}", "", *tables.goals(workload, results), ""]
        if results.runs:
            lines += tables.measured(workload, results)
        if workload.name == "drain":
            lines += ["", "Where the processor time goes:", "", *tables.threads(workload, results)]
        lines += ["", *(f"{name} failed: {why.splitlines()[0]}" for name, why in results.failures)]
    if costs is not None:
        lines += ["", "## What each feature costs", "", _FEATURES, "", *features.lines(dict(costs))]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


_FEATURES: Final = """\
On the loop alone: the real engine, records that stand ready in memory, no Kafka, a handler that does nothing. Each
line compares the whole with one part taken out (or put in), in the same round; `python -m benchmarks.features`
measures it."""


def write(page: Path, content: str) -> None:
    """Write it, keeping the remarks that stand in the former one."""
    former = _REMARKS.search(page.read_text(encoding="utf-8")) if page.exists() else None
    if former is not None:
        content = content.replace(_NO_REMARKS, former[0])
    page.write_text(content, encoding="utf-8")
