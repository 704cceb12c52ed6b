"""The workloads: what stands in the topics, who runs in which order, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.load import Load
from benchmarks.results import Goal, Results, largest, percentile, ratio, smallest

OURS: Final = "penstock"


@dataclass(frozen=True)
class Size:
    """How much of everything. `rounds` is for the drain, the others take their share of it."""

    name: str
    rounds: int
    scale: float  # of the records
    peer_rounds: int
    waves: int  # of the 2 s handlers
    latency: tuple[int, int]  # rounds, records in each
    backlog: int
    stay: float  # seconds on the backlog

    def few(self, full: int) -> int:
        """Rounds of what needs fewer than the drain."""
        return min(self.rounds, full if self.name == "full" else 2)

    def records(self, full: int) -> int:
        """That many, scaled."""
        return max(int(full * self.scale), 1000)


FULL: Final = Size("full", 9, 1.0, 9, 6, (4, 750), 1_000_000, 20.0)
QUICK: Final = Size("quick", 9, 1.0, 2, 4, (2, 200), 300_000, 8.0)
SMALL: Final = Size("small", 1, 0.1, 1, 2, (1, 100), 50_000, 5.0)


@dataclass(frozen=True)
class Entry:
    """One process in a round. `play` is how it is run: plain, fed (latency) or killed (restarted after kill -9)."""

    name: str
    subject: str
    mode: str
    task: dict[str, Any] = field(default_factory=dict)
    rounds: int = 10_000  # it takes part in the first so many
    play: str = "plain"
    again: bool = False  # the group goes on where it stopped
    own_group: bool = False  # a new group each time, since its retry topics are not empty afterwards


@dataclass(frozen=True)
class Workload:
    """One table. `fields` are its columns beside the rate, by their name in the results."""

    name: str
    title: str
    loads: tuple[Load, ...]
    entries: tuple[Entry, ...]
    rounds: int
    goals: tuple[Goal, ...]
    fields: tuple[str, ...] = ("cpu_us", "rss", "first")
    base: str = ""  # ratios in the table are to this entry


def drain(size: Size) -> Workload:
    """A handler that does nothing."""
    count = size.records(300_000)
    given = {"topic": "bench.drain", "count": count}
    slow = {**given, "limit": 8.0}
    ours = Entry(OURS, "ours", "drain", given)
    few = size.few(3)
    entries = (
        Entry("raw loop, tuned", "raw", "drain-tuned", given),
        ours,
        Entry("raw loop, defaults", "raw", "drain-default", given),
        Entry("Parallel Consumer", "parallel_consumer", "drain", {**slow, "concurrency": 16}, size.peer_rounds),
        Entry(OURS, "ours", "drain", given, size.peer_rounds),
        Entry("FastStream, at least once", "faststream_alo", "drain", {**slow, "concurrency": 1}, size.peer_rounds),
        Entry("raw loop, tuned, orjson", "raw", "drain-orjson", given, few),
        Entry("penstock, a log line per attempt", "ours", "drain-logged", slow, few),
        Entry("raw aiokafka", "aiokafka_loop", "drain", given, few),
        Entry("Parallel Consumer, 64 threads", "parallel_consumer", "drain", {**slow, "concurrency": 64}, few),
        Entry("FastStream, 12 workers", "faststream_alo", "drain", {**slow, "concurrency": 12}, few),
    )
    goals = (
        ratio("to the tuned raw loop", OURS, "raw loop, tuned", 0.8),
        ratio("to the raw loop with its defaults", OURS, "raw loop, defaults", 1.3),
        ratio("to Parallel Consumer (JVM)", OURS, "Parallel Consumer", 4.0),
        ratio("to FastStream, at least once", OURS, "FastStream, at least once", 60.0),
        largest("peak memory", OURS, "rss", 120.0, "MiB"),
    )
    title = f"No-op drain: {count:,} records, 1,000 keys"
    return Workload("drain", title, (Load("bench.drain", count),), entries, size.rounds, goals, base="raw loop, tuned")


def sleep(size: Size) -> Workload:
    """A handler of 10 ms, a thousand at once."""
    count = size.records(100_000)
    given = {"topic": "bench.sleep", "count": count, "concurrency": 1000, "sleep": 0.01, "limit": 15.0}
    entries = (
        Entry("1,000 tasks that only sleep", "sleepers", "sleep", given),
        Entry(OURS, "ours", "sleep", given),
        Entry("Parallel Consumer", "parallel_consumer", "sleep", given, size.peer_rounds),
    )
    goals = (
        ratio("to 1,000 tasks that only sleep", OURS, "1,000 tasks that only sleep", 0.7),
        ratio("to Parallel Consumer (JVM)", OURS, "Parallel Consumer", 2.5),
        largest("violations of key order", OURS, "violations", 0),
        smallest("in flight", OURS, "peak", 1000),
    )
    title = f"10 ms handler: {count:,} records, 10,000 keys, 1,000 in flight"
    fields = ("cpu_us", "rss", "peak", "violations")
    rounds = size.few(5)
    return Workload(
        "sleep", title, (Load("bench.sleep", count, 10_000),), entries, rounds, goals, fields, entries[0].name
    )


def slow(size: Size) -> Workload:
    """Agents: two seconds each."""
    streak = 500 if size.name != "small" else 50
    counts = {"bench.slow": 500 * size.waves, "bench.slow2": 2000 * size.waves}
    base = {"sleep": 2.0, "limit": 45.0}
    at500 = {**base, "topic": "bench.slow", "count": counts["bench.slow"], "concurrency": 500}
    at2000 = {**base, "topic": "bench.slow2", "count": counts["bench.slow2"], "concurrency": 2000}
    streaks = {**at500, "topic": "bench.streaks"}
    entries = (
        Entry("500 at once", "ours", "sleep", at500),
        Entry("2,000 at once", "ours", "sleep", at2000),
        Entry(f"500 at once, streaks of {streak}", "ours", "sleep", streaks),
        Entry("Parallel Consumer, 500 threads", "parallel_consumer", "sleep", at500, 1 if size.name == "full" else 0),
    )
    goals = (
        _ideal("500 at once, of the ideal 250/s", "500 at once", 250),
        _ideal("2,000 at once, of the ideal 1,000/s", "2,000 at once", 1000),
        smallest("in flight of 500, where streaks stand at the head", entries[2].name, "peak", 500),
        *(largest(f"violations of key order, {one.name}", one.name, "violations", 0) for one in entries[:3]),
    )
    loads = (
        Load("bench.slow", counts["bench.slow"], 1000),
        Load("bench.slow2", counts["bench.slow2"], 10_000),
        Load("bench.streaks", counts["bench.slow"] * 2, 1000, streak),
    )
    fields = ("cpu_us", "rss", "peak", "reached", "violations")
    rounds = 3 if size.name == "full" else 1
    return Workload("slow", "2 s handler", loads, entries, rounds, goals, fields)


def _ideal(words: str, name: str, ideal: float) -> Goal:
    def share(results: Results) -> float | None:
        rate = results.median(name, "rate")
        return None if rate is None else rate / ideal

    return Goal(words, share, 0.99, percent=True)


def output(size: Size) -> Workload:
    """One record out for each in, confirmed before its offset may be committed."""
    count = size.records(100_000)
    given = {"topic": "bench.in", "output": "bench.out", "count": count, "concurrency": 1000}
    entries = (
        Entry("bare pipelined producer", "bare_producer", "output", given),
        Entry(OURS, "ours", "output", given),
    )
    goals = (
        ratio("to a bare pipelined producer", OURS, entries[0].name, 0.4),
        largest("outputs missing in the topic", OURS, "missing", 0),
    )
    title = f"One confirmed output per event: {count:,} records, 1,000 in flight"
    loads = (Load("bench.in", count, 10_000), Load("bench.out", 0))
    return Workload("output", title, loads, entries, size.few(7), goals, ("cpu_us", "rss"), entries[0].name)


def latency(size: Size) -> Workload:
    """From produce to the start of the handler, at fifty a second."""
    rounds, count = size.latency
    given = {"topic": "bench.latency", "count": count, "limit": count / 50 + 20}
    entries = (
        Entry("raw loop", "raw", "latency", given, play="fed"),
        Entry(OURS, "ours", "latency", given, play="fed"),
    )

    def of(name: str, share: float) -> Callable[[Results], float | None]:
        return lambda results: percentile(results.samples(name), share)

    def more(results: Results) -> float | None:
        own, raw = of(OURS, 0.5)(results), of("raw loop", 0.5)(results)
        return None if own is None or raw is None else own - raw

    def times(results: Results) -> float | None:
        own, raw = of(OURS, 0.99)(results), of("raw loop", 0.99)(results)
        return None if own is None or raw is None else own / raw

    goals = (
        Goal("p50, more than the raw loop's", more, 0.5, at_most=True, unit="ms"),
        Goal("p99, times the raw loop's", times, 1.25, at_most=True, unit="x"),
    )
    title = f"Latency at 50/s: {rounds * count:,} records, produce to handler start"
    return Workload("latency", title, (), entries, rounds, goals, ("p50", "p99"))


def backlog(size: Size) -> Workload:
    """Memory, and starting again, with a mountain of records waiting behind a slow handler."""
    # One of these runs stays for `stay` seconds; the count is never reached.
    given = {"topic": "bench.backlog", "count": 10**9, "concurrency": 500, "sleep": 2.0, "limit": size.stay}
    entries = (
        Entry("first start", "ours", "sleep", given),
        Entry("start after a drain", "ours", "sleep", given, again=True),
        Entry("start after kill -9", "ours", "sleep", given, again=True, play="killed"),
    )
    goals = (
        largest("peak memory", "first start", "rss", 150.0, "MiB"),
        smallest("in flight of 500", "first start", "peak", 500),
        largest("seconds from start to the first handler", "first start", "first", None, "s"),
        largest("the same after a drain", "start after a drain", "first", None, "s"),
        largest("the same after kill -9", "start after kill -9", "first", None, "s"),
    )
    title = f"{size.backlog:,} records waiting behind a 2 s handler"
    fields = ("rss", "peak", "reached", "first", "violations")
    return Workload("backlog", title, (Load("bench.backlog", size.backlog, 10_000),), entries, 1, goals, fields)


def storm(size: Size) -> Workload:
    """Every event fails once and comes back from the retry topic of 5 s."""
    count = size.records(50_000)
    given = {"topic": "bench.storm", "count": count, "sleep": 5.0, "limit": 120.0}
    goals = (
        smallest("events a second, both attempts and the wait of 5 s included", OURS, "rate", None, "/s"),
        largest("second attempts more than 1 ms early", OURS, "early", 0),
        largest("p99 lateness while no backlog waits", OURS, "late_quiet", 1.0, "s"),
        largest("p99 lateness behind a backlog", OURS, "late_busy", 5.0, "s"),
    )
    entries = (Entry(OURS, "ours", "storm", given, own_group=True),)
    fields = ("cpu_us", "rss", "early", "soonest_ms", "late_quiet", "late_busy", "busy")
    rounds = 2 if size.name == "full" else 1
    title = f"Retry storm: {count:,} events, each fails once"
    return Workload("storm", title, (Load("bench.storm", count, 10_000),), entries, rounds, goals, fields)


def records(size: Size) -> Workload:
    """What the record of what ran costs: a handler that does nothing, and agents of 200 ms."""
    count = size.records(300_000)
    drained = {"topic": "bench.records", "count": count}
    agents = {"topic": "bench.agents", "count": size.records(10_000), "sleep": 0.2, "concurrency": 200}
    without, slow_without = "no records", "200 ms agents, no records"
    every = "every attempt on record"
    slow_with = "200 ms agents, every attempt on record"
    entries = (
        Entry(OURS, "ours", "drain", drained),
        Entry(without, "ours", "drain-unrecorded", drained),
        Entry(every, "ours", "drain-recorded", drained, size.few(3)),
        Entry(slow_without, "ours", "sleep-unrecorded", agents, size.few(3)),
        Entry(slow_with, "ours", "sleep-recorded", agents, size.few(3)),
    )
    goals = (
        ratio("with records (the default rate) to none, no-op drain", OURS, without, 0.85),
        ratio("every attempt on record to none, no-op drain", every, without, None),
        ratio("every attempt on record to none, 200 ms agents", slow_with, slow_without, 0.99),
    )
    loads = (Load("bench.records", count), Load("bench.agents", agents["count"], 10_000))
    title = f"Run records: {count:,} records drained with and without"
    return Workload("records", title, loads, entries, size.few(5), goals, ("cpu_us", "rss", "recorded"), base=without)


WORKLOADS: Final[dict[str, Callable[[Size], Workload]]] = {
    "drain": drain,
    "sleep": sleep,
    "slow": slow,
    "output": output,
    "latency": latency,
    "backlog": backlog,
    "storm": storm,
    "records": records,
}
