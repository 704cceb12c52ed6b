"""Plays the rounds of a workload: one subject at a time, the order turned round in every second round."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.load import Load, fill, forget_group, held
from benchmarks.meter import Task
from benchmarks.peers import Peers
from benchmarks.process import START, Failed, measured, started
from benchmarks.results import Results, Run
from benchmarks.workloads import Entry, Workload


@dataclass
class Stage:
    """Where the workloads are played."""

    bootstrap: str
    data: Path
    peers: Peers
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def play(self, workload: Workload) -> Results:
        """All rounds. A subject that fails is reported, and the others go on."""
        results = Results()
        fill(self.bootstrap, list(workload.loads), self.say)
        self._prepare(workload)
        for number in range(workload.rounds):
            for place, entry in enumerate(_order(workload.entries, number)):
                try:
                    result = self._one(workload, entry)
                except Failed as error:
                    results.failures.append((entry.name, str(error)))
                    self.say(f"{workload.name}: {entry.name} failed: {error}")
                    continue
                if result is not None:
                    results.runs.append(Run(entry.name, number, place, result))
                    self.say(f"{workload.name} {number + 1}/{workload.rounds}: {entry.name}: {_brief(result)}")
        return results

    def _prepare(self, workload: Workload) -> None:
        """The derived topics of our group, so that making them is no part of a run."""
        entry = next(entry for entry in workload.entries if entry.subject == "ours")
        if entry.play != "fed" and not entry.own_group:
            self._apply(self._task(workload, entry))

    def _apply(self, task: Task) -> None:
        process = started("ours", replace(task, mode="apply"), self.peers, self.data / "logs" / "apply.log")
        assert process is not None
        process.line("result", START)
        process.wait()

    def _task(self, workload: Workload, entry: Entry) -> Task:
        # Our groups keep their name, since their derived topics are made once; all others are new each time.
        group = f"bench.{workload.name}" if entry.subject == "ours" else f"bench.{workload.name}.{next(self._numbers)}"
        given: dict[str, Any] = {"bootstrap": self.bootstrap, "group": group, "data": str(self.data), **entry.task}
        return Task(mode=entry.mode, **given)

    def _one(self, workload: Workload, entry: Entry) -> dict[str, Any] | None:
        task = self._task(workload, entry)
        if entry.play == "fed":
            return self._fed(entry, task)
        if entry.own_group:
            task = replace(task, group=f"{task.group}.{next(self._numbers)}")
            self._apply(task)
        elif entry.subject == "ours" and not entry.again:
            forget_group(self.bootstrap, task.group)
        before = held(self.bootstrap, task.output) if task.output else 0
        if entry.play == "killed":
            self._start_and_kill(entry, task)
        process = started(entry.subject, task, self.peers, self._log(workload.name, entry))
        if process is None:
            return None
        result = measured(process, task)
        if task.output:
            result["missing"] = task.count - (held(self.bootstrap, task.output) - before)
        return result

    def _start_and_kill(self, entry: Entry, task: Task) -> None:
        process = started(entry.subject, task, self.peers, self._log("killed", entry))
        assert process is not None
        try:
            process.line("first", START)
            time.sleep(task.limit / 2)
        finally:
            process.kill()

    def _fed(self, entry: Entry, task: Task) -> dict[str, Any] | None:
        """A topic of its own with one record per partition in it; fed once the subject has read the first."""
        number = next(self._numbers)
        task = replace(task, topic=f"{task.topic}.{number}", group=f"bench.latency.{number}")
        fill(self.bootstrap, [Load(task.topic, 0, streak=1)], lambda _: None)
        if entry.subject == "ours":
            self._apply(task)
        process = started(entry.subject, task, self.peers, self._log("latency", entry))
        if process is None:
            return None
        feeding: list[Any] = []

        def feed() -> None:
            feeding.append(started("feeder", task, self.peers, self.data / "logs" / "feeder.log"))

        try:
            return measured(process, task, feed)
        finally:
            for one in feeding:
                one.kill()

    def _log(self, workload: str, entry: Entry) -> Path:
        return self.data / "logs" / f"{workload}-{entry.subject}-{entry.mode}-{next(self._numbers)}.log"


def _order(entries: Sequence[Entry], number: int) -> list[Entry]:
    taking_part = [entry for entry in entries if number < entry.rounds]
    chained = any(entry.again for entry in entries)
    return taking_part[::-1] if number % 2 and not chained else taking_part


def _brief(result: dict[str, Any]) -> str:
    if result.get("samples"):
        values = sorted(result["samples"])
        return f"p50 {values[len(values) // 2]:.2f} ms, p99 {values[int(len(values) * 0.99)]:.2f} ms"
    return f"{result['rate']:,.0f}/s, {result['cpu_us']:.1f} µs, {result['rss']:.0f} MiB"
