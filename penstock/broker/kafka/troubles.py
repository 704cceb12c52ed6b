"""Judges the client's errors: what passes is said once per change, what does not ends the member."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from penstock.broker.kafka.codes import CONFLICTS, HOPELESS, MISSING, QUIET, UNREACHABLE
from penstock.broker.kafka.listener_calls import ListenerCalls
from penstock.broker.kafka.protocol import members_of
from penstock.broker.kafka.questions import Questions
from penstock.errors import BrokerError, GroupConflict

CONFLICT_PATIENCE: Final = 30.0  # seconds: a rolling change of protocol must have the time to pass
_PROBE_EVERY: Final = 2.0
_BROKERS: Final = "brokers"
_MISSING: Final = "missing topic "


class Troubles:
    """What is wrong with one member at the moment. Every method is called in the poll thread."""

    def __init__(self, calls: ListenerCalls, group_id: str, questions: Questions) -> None:
        self._calls = calls
        self._group_id = group_id
        self._questions = questions
        self._problems: dict[str, str] = {}
        self._conflict_since: float | None = None
        self._probed = 0.0

    def of_client(self, error: KafkaError) -> None:
        """The client's `error_cb`."""
        self._judge(error, "")

    def of_message(self, message: Message[Any, Any]) -> None:
        """An error that came in a record's place."""
        error = message.error()
        if error is not None:
            self._judge(error, message.topic() or "")

    def over(self, topics: Collection[str]) -> None:
        """Partitions of these topics were assigned: the group works."""
        self._conflict_since = None
        there = {_MISSING + topic for topic in topics}
        for key in list(self._problems):
            if key in there or (key != _BROKERS and not key.startswith(_MISSING)):
                self._clear(key)

    def flowing(self) -> None:
        """Records arrive."""
        if _BROKERS in self._problems:
            self._clear(_BROKERS)

    def look(self, consumer: Consumer) -> None:
        """To be called now and then: is a conflict lasting, are the brokers back?"""
        self._questions.client.poll(0)  # serves its log, which nobody else would
        now = time.monotonic()
        if self._conflict_since is not None and now - self._conflict_since >= CONFLICT_PATIENCE:
            self._conflict_since = None
            names = ", ".join(members_of(self._questions, self._group_id)) or "not readable"
            self._calls.failed(
                GroupConflict(
                    f"group {self._group_id} has members that speak another protocol: {names}",
                    "stop them, or set group.protocol and the assignor to theirs",
                )
            )
        if _BROKERS in self._problems and now - self._probed >= _PROBE_EVERY:
            self._probed = now
            self._probe(consumer)

    def _probe(self, consumer: Consumer) -> None:
        try:
            consumer.list_topics(timeout=0.5)
        except KafkaException:
            return
        self._clear(_BROKERS)

    def _judge(self, error: KafkaError, topic: str) -> None:
        code = error.code()
        if error.fatal() or code in HOPELESS:
            self._calls.failed(BrokerError(f"group {self._group_id}: {error.str()}", HOPELESS.get(code, "")))
        elif code in CONFLICTS:
            if self._conflict_since is None:
                self._conflict_since = time.monotonic()
            self._note("conflict", f"the group cannot be joined: {error.str()}")
        elif code in UNREACHABLE:
            self._note(_BROKERS, f"no broker can be reached, trying again: {error.str()}")
        elif code in MISSING and topic:
            self._note(_MISSING + topic, f"topic {topic} does not exist")
        elif code not in QUIET:
            self._note(topic or error.name(), error.str())

    def _note(self, key: str, problem: str) -> None:
        if key not in self._problems:
            self._problems[key] = problem
            self._calls.disturbed(problem)

    def _clear(self, key: str) -> None:
        self._calls.disturbed(f"over: {self._problems.pop(key)}")
