"""Publisher: the same from plain code and threads, on both sides of a fork, and light to import."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from penstock import Publisher
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory.keeper import InMemoryBroker
from penstock.clock import SystemClock
from penstock.errors import PenstockError, SendFailed, Unencodable


@pytest.fixture
def broker() -> InMemoryBroker:
    return InMemoryBroker(SystemClock())


@pytest.fixture
def publisher(broker: InMemoryBroker) -> Iterator[Publisher]:
    with Publisher(broker=broker) as found:
        found._run(broker.admin().create_topics([NewTopic("t", 3)]))
        yield found


def test_send_returns_where_the_broker_has_put_it(publisher: Publisher, broker: InMemoryBroker) -> None:
    position = publisher.send("t", {"a": 1}, key="k", id="e-1")
    assert [record.position for record in broker.records("t")] == [position]


def test_send_many_walks_the_iterable_in_the_callers_thread(publisher: Publisher, broker: InMemoryBroker) -> None:
    threads = set()

    def events() -> Iterator[dict[str, Any]]:
        for n in range(1200):
            threads.add(threading.get_ident())
            yield {"id": n}

    assert publisher.send_many("t", events(), key="id") == 1200
    assert len(broker.records("t")) == 1200
    assert threads == {threading.get_ident()}


def test_errors_are_the_same_and_the_publisher_goes_on(publisher: Publisher, broker: InMemoryBroker) -> None:
    with pytest.raises(SendFailed, match="topic nowhere"):
        publisher.send("nowhere", 1)
    with pytest.raises(Unencodable, match=r"event 600 for topic t.*600 other events were acknowledged"):
        publisher.send_many("t", [*range(600), {1}, 7])

    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        publisher.send_many("t", failing())
    publisher.send("t", 1)
    assert len(broker.records("t")) == 601


def test_threads_may_share_it(publisher: Publisher, broker: InMemoryBroker) -> None:
    def send() -> None:
        for n in range(20):
            publisher.send("t", n)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(broker.records("t")) == 160


def test_closing_ends_the_thread_and_is_final(broker: InMemoryBroker) -> None:
    with Publisher(broker=broker) as publisher:
        publisher._run(broker.admin().create_topics([NewTopic("t", 1)]))
        publisher.send("t", 1)
        assert any(thread.name == "penstock-publisher" for thread in threading.enumerate())
    assert not any(thread.name == "penstock-publisher" for thread in threading.enumerate())
    publisher.close()
    with pytest.raises(PenstockError, match="closed"):
        publisher.send("t", 1)


def test_a_child_does_not_use_what_its_parent_had(publisher: Publisher) -> None:
    """The loop's thread is not there after a fork: without starting over the child would wait for ever."""
    publisher.send("t", 1)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            publisher.send("t", 2)
        except PenstockError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as said:
        assert b"forked child" in said.read()  # a broker in memory cannot follow; a Kafka client is made anew
    publisher.send("t", 3)


def test_importing_penstock_loads_neither_clients_nor_faces() -> None:
    script = (
        "import sys, penstock; penstock.Publisher; penstock.AsyncPublisher\n"
        "heavy = {'click', 'rich', 'aiokafka', 'prometheus_client', 'confluent_kafka', 'fastavro', 'httpx', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_bare_import_does_not_load_the_publisher() -> None:
    script = "import sys, penstock; print('penstock.publisher' in sys.modules, hasattr(penstock, 'Nothing'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
