"""The metrics of a worker: one closed list of names, each with its sentence. Labels are bounded, never a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from penstock.engine.counters import Counters, Histogram
from penstock.engine.outcome import Reason
from penstock.service.snapshot import Snapshot, SourceSnapshot

_Read = tuple[str, Callable[[Any], float]]

GAUGES: Final[dict[str, tuple[str, Callable[[Snapshot], float]]]] = {
    "penstock_in_flight": ("Runs executing now.", lambda s: s.running),
    "penstock_queued": ("Records taken from the broker that wait for a slot or for their lane.", lambda s: s.queued),
    "penstock_waiting_for_retry": ("Records held at the gate of a retry topic until due.", lambda s: s.in_retry),
    "penstock_held_in_lane": ("Runs put off inside their own lane.", lambda s: s.held),
    "penstock_saturation": ("Running divided by concurrency.", lambda s: s.running / s.concurrency),
    "penstock_concurrency": ("Runs that may execute at once.", lambda s: s.concurrency),
    "penstock_frontier_lag": ("Log end minus frontier, over the source partitions owned.", lambda s: s.lag),
    "penstock_true_backlog": (
        "Records not finished: lag, less what is finished above the frontier, plus retry and replay topics.",
        lambda s: s.backlog,
    ),
    "penstock_partitions": ("Partitions assigned.", lambda s: s.partitions),
    "penstock_partitions_paused": ("Partitions paused now.", lambda s: s.paused),
    "penstock_partitions_suspicious": ("Partitions whose records run one at a time.", lambda s: s.suspicious),
    "penstock_producer_queue": ("Records sent and not yet acknowledged.", lambda s: s.producer_queue),
    "penstock_hand_offs_waiting": ("Runs whose hand-off the broker does not take now.", lambda s: s.hand_offs_waiting),
    "penstock_sources_closed": ("1 while no source records are taken.", lambda s: int(bool(s.closed))),
    "penstock_throttled": ("1 while a limit of requests or tokens holds starts back.", lambda s: int(s.throttled)),
    "penstock_joined": ("1 while a member of its group.", lambda s: int(s.joined)),
}

COUNTERS: Final[dict[str, tuple[str, Callable[[Snapshot], float]]]] = {
    "penstock_records_received": ("Records delivered by the broker.", lambda s: s.counters.received),
    "penstock_records_emitted": ("Output records acknowledged.", lambda s: s.counters.emitted),
    "penstock_retries": ("Attempts followed by another.", lambda s: s.counters.outcomes["retried"]),
    "penstock_deferrals": ("Runs put off without spending an attempt.", lambda s: s.counters.outcomes["deferred"]),
    "penstock_breaker_openings": ("Times a breaker opened.", lambda s: s.opened),
    "penstock_timeouts": ("Attempts cancelled at their deadline.", lambda s: s.counters.timeouts),
    "penstock_commits": ("Commit requests made.", lambda s: s.counters.commits),
    "penstock_commit_failures": (
        "Partitions whose commit was refused or unanswered.",
        lambda s: s.counters.commit_failures,
    ),
    "penstock_commit_maps_dropped": ("Commits whose map did not fit.", lambda s: s.counters.maps_dropped),
    "penstock_foreign_metadata": (
        "Commits found with metadata that is not ours.",
        lambda s: s.counters.foreign_metadata,
    ),
    "penstock_stale_results": (
        "Results and records dropped for a partition owned no more.",
        lambda s: s.counters.stale_results,
    ),
    "penstock_already_finished": (
        "Records skipped since an earlier owner finished them.",
        lambda s: s.counters.already_finished,
    ),
    "penstock_rebalances": ("Assignments and revocations.", lambda s: s.counters.rebalances),
    "penstock_partitions_lost": ("Partitions lost without a hand-over.", lambda s: s.counters.partitions_lost),
    "penstock_records_lost": ("Records removed from the log before they were read.", lambda s: s.counters.records_lost),
    "penstock_hand_off_failures": (
        "Hand-offs the broker did not take at once.",
        lambda s: s.counters.hand_off_failures,
    ),
    "penstock_retry_hops": ("Records moved on to a further retry topic.", lambda s: s.counters.hops),
    "penstock_run_records": ("Attempts written to the topic of runs.", lambda s: s.counters.run_records),
    "penstock_run_records_lost": (
        "Attempts that could not be written to the topic of runs.",
        lambda s: s.counters.run_records_lost,
    ),
    "penstock_disturbances": ("Passing troubles reported by the client.", lambda s: s.counters.disturbances),
}

# From the start at 0: a rule asks for an increase, and a series that begins above 0 has none.
OUTCOMES: Final = ("done", "retried", "deferred", "dead_lettered", "skipped")

SOURCE_GAUGES: Final[dict[str, tuple[str, Callable[[SourceSnapshot], float]]]] = {
    "penstock_source_owner": ("1 while the source runs in this process, 0 on stand-by.", lambda s: int(s.owner)),
    "penstock_source_failing": ("1 while the source's last run ended in an exception.", lambda s: int(s.failing)),
    "penstock_source_producer_queue": ("Events sent and not yet acknowledged.", lambda s: s.producer_queue),
}

SOURCE_COUNTERS: Final[dict[str, tuple[str, Callable[[SourceSnapshot], float]]]] = {
    "penstock_source_events": ("Events brought in, acknowledged by the broker.", lambda s: s.counters.delivered),
    "penstock_source_refused": (
        "What could not be an event, put into the dead letter topic.",
        lambda s: s.counters.refused,
    ),
    "penstock_source_failures": ("Runs of the source that ended in an exception.", lambda s: s.counters.failures),
    "penstock_source_takeovers": ("Times this process became the owner.", lambda s: s.counters.takeovers),
}


class SourceCollector:
    """A prometheus_client collector over one source worker; `take` gives a fresh snapshot."""

    def __init__(self, take: Callable[[], SourceSnapshot]) -> None:
        self._take = take

    def collect(self) -> Iterator[Any]:
        """Every metric, labelled with connector and group."""
        snapshot = self._take()
        families = _Families({"connector": snapshot.connector, "group": snapshot.group})
        yield from families.all_of(SOURCE_GAUGES, SOURCE_COUNTERS, snapshot)
        answers = ((str(status), number) for status, number in snapshot.counters.answers.items())
        yield families.counter("penstock_source_answers", "Answers given over HTTP, by status.", ("status",), answers)


class WorkerCollector:
    """A prometheus_client collector over one worker; `take` gives a fresh snapshot."""

    def __init__(self, take: Callable[[], Snapshot], now: Callable[[], float]) -> None:
        self._take = take
        self._now = now

    def collect(self) -> Iterator[Any]:
        """Every metric, labelled with processor and group."""
        snapshot = self._take()
        counters = snapshot.counters
        families = _Families({"processor": snapshot.processor, "group": snapshot.group})
        yield from families.all_of(GAUGES, COUNTERS, snapshot)
        yield families.gauge(
            "penstock_oldest_unfinished_age_seconds",
            "Age of the oldest record taken and not finished.",
            (),
            [(max(self._now() - snapshot.oldest, 0.0) if snapshot.oldest else 0.0,)],
        )
        yield families.gauge(
            "penstock_breaker_state",
            "Breakers: 0 closed, 1 half open, 2 open.",
            ("breaker",),
            snapshot.breakers.items(),
        )
        yield from _ended(families, counters)
        yield from _used(families, counters)
        duration, lateness = [((), counters.duration)], [((), counters.lateness)]
        yield families.histogram("penstock_run_duration_seconds", "One attempt, start to hand-off.", (), duration)
        yield families.histogram("penstock_lateness_seconds", "Start minus due time.", (), lateness)


def _ended(families: _Families, counters: Counters) -> Iterator[Any]:
    """How attempts ended."""
    outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
    outcomes.update(counters.outcomes)
    outcomes["done"] += counters.done  # counted apart where nothing was emitted
    yield families.counter("penstock_runs", "Attempts by outcome.", ("outcome",), outcomes.items())
    letters = dict.fromkeys(get_args(Reason), 0) | counters.dead_letters
    yield families.counter("penstock_dead_letters", "Dead letters by reason.", ("reason",), letters.items())


def _used(families: _Families, counters: Counters) -> Iterator[Any]:
    """What handlers reported of models and steps."""
    tokens = ((*key, count) for key, count in counters.tokens.items())
    yield families.counter("penstock_tokens", "Model tokens.", ("model", "direction"), tokens)
    calls = ((model, counters.tool_calls[model]) for model in counters.cost)
    yield families.counter("penstock_tool_calls", "Tool calls of models.", ("model",), calls)
    sentence = "Cost of model calls, as handlers said."
    yield families.counter("penstock_cost", sentence, ("model",), counters.cost.items())
    steps = (((name,), histogram) for name, histogram in counters.steps.items())
    yield families.histogram("penstock_step_duration_seconds", "Steps.", ("step",), steps)


class _Families:
    """Makes metric families that all carry the same labels; a row is further labels and then the value."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        from prometheus_client import core

        self._core = core
        self._names, self._values = list(labels), list(labels.values())

    def all_of(self, gauges: Mapping[str, _Read], counters: Mapping[str, _Read], snapshot: Any) -> Iterator[Any]:
        """One family for each entry of the two lists."""
        for name, (sentence, read) in gauges.items():
            yield self.gauge(name, sentence, (), [(read(snapshot),)])
        for name, (sentence, read) in counters.items():
            yield self.counter(name, sentence, (), [(read(snapshot),)])

    def gauge(self, name: str, sentence: str, labels: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Any:
        """What goes up and down."""
        return self._filled(self._core.GaugeMetricFamily(name, sentence, labels=[*self._names, *labels]), rows)

    def counter(self, name: str, sentence: str, labels: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Any:
        """What only grows."""
        return self._filled(self._core.CounterMetricFamily(name, sentence, labels=[*self._names, *labels]), rows)

    def histogram(
        self, name: str, sentence: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], Histogram]]
    ) -> Any:
        """How long things took."""
        family = self._core.HistogramMetricFamily(name, sentence, labels=[*self._names, *labels])
        for values, histogram in rows:
            family.add_metric([*self._values, *values], _buckets(histogram), sum_value=histogram.total)
        return family

    def _filled(self, family: Any, rows: Iterable[tuple[Any, ...]]) -> Any:
        for *values, value in rows:
            family.add_metric([*self._values, *values], value)
        return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """As Prometheus wants them: each with what lies below it too."""
    buckets: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip((*histogram.bounds, None), histogram.counts, strict=True):
        below += count
        buckets.append(("+Inf" if bound is None else str(bound), below))
    return buckets
