"""A broker that is away does not fill the log with the client's own lines."""

from __future__ import annotations

import logging
import time

from confluent_kafka import Producer

from penstock.broker.kafka.client_log import ClientLog
from penstock.broker.kafka.producer import KafkaProducer
from penstock.broker.kafka.settings import LOGGER
from penstock.local_kafka.launch import free_port


def lines_while_away(caplog, client, least: str) -> list[logging.LogRecord]:
    """What is logged until the client was heard to fail `least` for DEBUG."""
    deadline = time.monotonic() + 10
    while not any(least in record.getMessage() for record in caplog.records):
        assert time.monotonic() < deadline, "the client said nothing"
        client.poll(0.05)
    return [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_lines_of_a_connection_that_is_tried_again_are_for_debugging(caplog):
    caplog.set_level(logging.DEBUG, LOGGER)

    client = Producer({"bootstrap.servers": f"127.0.0.1:{free_port()}", "error_cb": print}, logger=ClientLog())

    assert lines_while_away(caplog, client, "Connection refused") == []


def test_our_producer_logs_so(caplog):
    caplog.set_level(logging.DEBUG, LOGGER)

    producer = KafkaProducer({"bootstrap.servers": f"127.0.0.1:{free_port()}"}, "quiet")

    assert lines_while_away(caplog, producer._client, "Connection refused") == []


def test_other_lines_keep_their_level(caplog):
    caplog.set_level(logging.DEBUG, LOGGER)

    ClientLog().log(logging.WARNING, "%s [%s] %s", "MAXPOLL", "rdkafka#consumer-1", "not polled")

    assert [(one.levelno, one.getMessage()) for one in caplog.records] == [
        (logging.WARNING, "MAXPOLL [rdkafka#consumer-1] not polled")
    ]
