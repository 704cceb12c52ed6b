"""The client that questions are asked with: made when first needed, and another one after a silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from penstock.broker.kafka.codes import UNANSWERED

K = TypeVar("K")
_MARGIN: Final = 1.0  # seconds for the client to say by itself that its time is over


class Questions:
    """Safe from any thread. `make` gives a client that has not been asked yet.

    A client that got no answer may never get one (see QUESTION_TRIES): the next question is asked by a new one.
    """

    def __init__(self, make: Callable[[], AdminClient]) -> None:
        self._make = make
        self._client: AdminClient | None = None
        self._lock = threading.Lock()

    @property
    def client(self) -> AdminClient:
        """The client, made when first needed."""
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client

    def each(self, ask: Callable[[AdminClient], Mapping[K, Future[Any]]], timeout: float) -> dict[K, Any]:
        """An answer for each key. Blocks. Raises KafkaException, or TimeoutError where there is none in time."""
        client = self.client  # held until its answers are here, also where it is let go meanwhile
        try:
            return {key: answer.result(timeout + _MARGIN) for key, answer in ask(client).items()}
        except (KafkaException, TimeoutError) as error:
            if isinstance(error, TimeoutError) or error.args[0].code() in UNANSWERED:
                self.let_go(client)
            raise

    def close(self) -> None:
        """Let the client go."""
        with self._lock:
            self._client = None

    def let_go(self, silent: AdminClient) -> None:
        """This one got no answer: the next question is asked by a new one, unless that is so already."""
        with self._lock:
            if self._client is silent:
                self._client = None
