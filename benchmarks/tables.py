"""Tables of one workload, in Markdown: what every entry reached, and how that stands to the goals."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.results import Results, percentile
from benchmarks.workloads import Workload

# field of a result: (heading, how the runs are summed up, format)
_COLUMNS = {
    "cpu_us": ("CPU µs/event", "median", "{:.1f}"),
    "rss": ("peak RSS, MiB", "max", "{:.0f}"),
    "peak": ("in flight", "min", "{:.0f}"),
    "reached": ("reached after, s", "max", "{:.2f}"),
    "violations": ("order violations", "max", "{:.0f}"),
    "first": ("start to first record, s", "median", "{:.1f}"),
    "early": ("early", "max", "{:.0f}"),
    "soonest_ms": ("soonest after due, ms", "min", "{:.2f}"),
    "late_quiet": ("p99 late, no backlog, s", "max", "{:.3f}"),
    "late_busy": ("p99 late, backlog, s", "max", "{:.3f}"),
    "recorded": ("attempts on record", "min", "{:,.0f}"),
    "busy": ("of them behind a backlog", "median", "{:,.0f}"),
}
_SUMS = {"median": median, "min": min, "max": max}


def measured(workload: Workload, results: Results) -> list[str]:
    """One row per entry: rate min / median / max, the ratio, and the workload's own columns."""
    names = list(dict.fromkeys(entry.name for entry in workload.entries if results.of(entry.name)))
    if any(run.result["samples"] for run in results.runs):
        return _delays(names, results)
    heads = ["", "runs", "per second: min / median / max"]
    if workload.base:
        heads.append(f"ratio to {workload.base}")
    heads += [_COLUMNS[name][0] for name in workload.fields]
    rows = [_row(name, workload, results) for name in names]
    return _table(heads, rows)


def _row(name: str, workload: Workload, results: Results) -> list[str]:
    rates = results.values(name, "rate")
    row = [name, str(len(rates)), " / ".join(_number(one) for one in (min(rates), median(rates), max(rates)))]
    if workload.base:
        pairs = results.pairs(name, workload.base) if name != workload.base else []
        row.append(f"{min(pairs):.3g} / **{median(pairs):.3g}** / {max(pairs):.3g}" if pairs else "1")
    for column in workload.fields:
        values = results.values(name, column)
        _, how, form = _COLUMNS[column]
        row.append(form.format(_SUMS[how](values)) if values else "-")
    return row


def _delays(names: Sequence[str], results: Results) -> list[str]:
    rows = []
    for name in names:
        every = results.samples(name)
        blocks = [sorted(run.result["samples"]) for run in results.of(name)]
        row = [name, f"{len(every):,}"]
        for share in (0.5, 0.99):
            found = [percentile(block, share) or 0.0 for block in blocks]
            row.append(f"**{percentile(every, share):.2f}** ({min(found):.2f} to {max(found):.2f})")
        rows.append(row)
    return _table(["", "records", "p50, ms (by block)", "p99, ms (by block)"], rows)


def goals(workload: Workload, results: Results) -> list[str]:
    """One row per goal: asked, measured, met or missed by how much."""
    rows = []
    for goal in workload.goals:
        found, verdict = goal.verdict(results)
        rows.append([goal.words, goal.asked(), found, verdict])
    return _table(["goal", "to reach", "measured", ""], rows)


def threads(workload: Workload, results: Results) -> list[str]:
    """Where the processor time goes, by kind of thread; nothing where it was not measured."""
    rows = []
    for name in dict.fromkeys(entry.name for entry in workload.entries):
        found = [run.result["threads_us"] for run in results.of(name) if run.result.get("threads_us")]
        if found:
            rows.append([name, *(f"{median([one.get(kind, 0.0) for one in found]):.2f}" for kind in _KINDS)])
    return _table(["CPU µs per event", *_KINDS.values()], rows) if rows else []


_KINDS = {
    "main": "main thread",
    "others": "other Python threads (ours: the poll thread)",
    "client": "librdkafka's threads",
}


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]
