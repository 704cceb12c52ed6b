"""A broker of its own, stopped under load and started again: no 202 without it, memory flat, recovery by itself."""

from __future__ import annotations

import threading
import time
from collections import Counter

import httpx
import psutil
import pytest

from penstock import local_kafka
from penstock.errors import LocalKafkaError

pytestmark = pytest.mark.kafka
OUTAGE = 20.0  # seconds
GROWTH = 30 << 20  # bytes the process may grow by while nothing can leave it


@pytest.fixture
def own_kafka(tmp_path, kafka):
    """`kafka` first: where none can be had, this is skipped with its reason."""
    data = tmp_path / "broker"
    try:
        broker = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
    except LocalKafkaError as error:
        pytest.fail(str(error))
    yield data, broker.bootstrap
    local_kafka.wipe(data)


class Load:
    """Threads that post as fast as they are answered; `counts` says what they were told since it was cleared."""

    def __init__(self, url: str, threads: int) -> None:
        self.counts: Counter[str] = Counter()
        self.slowest = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(url,)) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _post(self, url: str) -> None:
        with httpx.Client(timeout=30) as http:
            while not self._stop.is_set():
                began = time.monotonic()
                response = http.post(url, content=b'{"text": "%s"}' % (b"x" * 20_000))
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.counts[str(response.status_code)] += 1


def test_kafka_away(make_desk, own_kafka):
    data, bootstrap = own_kafka
    desk = make_desk(bootstrap, "acknowledge_within: 3s")
    memory = psutil.Process(desk.run_gateway().pid)
    with Load(desk.url, 8) as load:
        desk.wait_until(lambda: load.counts["202"] > 200, "events are accepted")
        local_kafka.stop(data)
        time.sleep(0.5)  # what was under way when it stopped has its answer
        load.counts.clear()
        before, most, end = memory.memory_info().rss, 0, time.monotonic() + OUTAGE
        while time.monotonic() < end:
            most = max(most, memory.memory_info().rss)
            time.sleep(0.25)
        during = Counter(load.counts)
        local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
        load.counts.clear()
        desk.wait_until(lambda: load.counts["202"] > 50, "events are accepted again")

    print(f"told during the outage {dict(during)}, grew by {(most - before) >> 20} MiB, slowest {load.slowest:.1f} s")
    assert set(during) <= {"503", "429"}
    assert during["503"] > 100, "refused at once while it is away, not after a timeout each"
    assert most - before < GROWTH
    assert load.slowest < 10
