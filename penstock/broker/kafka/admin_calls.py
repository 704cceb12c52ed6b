"""How questions reach the broker: librdkafka's futures awaited on the loop, its errors said in our words."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from penstock.broker.kafka.codes import QUESTION_TRIES
from penstock.broker.kafka.questions import Questions
from penstock.broker.kafka.settings import client_settings
from penstock.errors import BrokerError, BrokerUnavailable, TopicMissing

K = TypeVar("K")

# Nobody answered, or not in time: asking again at once would only wait again.
_SILENT: Final = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001 (librdkafka's own codes begin with an underscore)
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
    }
)
# Right after a start, an election or a topic's creation: over in a moment.
_PASSING: Final = frozenset(
    {
        KafkaError._NOENT,  # noqa: SLF001 ("no leaders found" of partitions that exist)
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_CONTROLLER,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
_UNKNOWN: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
_PAUSE: Final = 0.05  # seconds between two tries of a passing error
_VISIBLE: Final = 5.0  # seconds in which a change that the controller accepted shows on the brokers

Answer: TypeAlias = Any  # librdkafka's result types differ from call to call


class AdminCalls:
    """One AdminClient, made when first needed, and the manner of asking it."""

    def __init__(self, settings: Mapping[str, Any], timeout: float) -> None:
        self._settings = client_settings(settings)
        self._questions = Questions(self._make)
        self._closed = False
        self._last_error = ""
        self.timeout = timeout

    @property
    def client(self) -> AdminClient:
        """The client. Raises BrokerUnavailable after `close`."""
        if self._closed:
            raise BrokerUnavailable("this connection to the broker is closed")
        return self._questions.client

    def close(self) -> None:
        """Let the client go; it has nothing to flush."""
        self._closed = True
        self._questions.close()

    async def one(self, make: Callable[[AdminClient], Future[Answer]]) -> Answer:
        """The answer to a question with one future. Raises BrokerError and its kinds."""
        answer = (await self.each(lambda client: {"": make(client)}))[""]
        if isinstance(answer, KafkaError):
            raise spoken(answer)
        return answer

    async def each(
        self, make: Callable[[AdminClient], Mapping[K, Future[Answer]]], within: float | None = None
    ) -> dict[K, Answer]:
        """An answer for each key: librdkafka's result, or the KafkaError the broker gave for it.

        Passing errors are asked again until the timeout, or for `within` seconds. Raises BrokerUnavailable when
        there is no answer.
        """
        deadline = time.monotonic() + (self.timeout if within is None else within)
        while True:
            client = self.client
            answers = await self._gather(client, make)
            passing = [answer for answer in answers.values() if _is(answer, _PASSING)]
            if not passing:
                return answers
            if time.monotonic() > deadline:
                raise self._unanswered(client, passing[0])
            await asyncio.sleep(_PAUSE)

    async def each_of_groups(self, make: Callable[[AdminClient, float], Mapping[K, Future[Answer]]]) -> dict[K, Answer]:
        """As `each`, for what a group's coordinator answers; `make` is given the seconds it may wait for that.

        A search for the coordinator can be lost (see QUESTION_TRIES), and a client whose coordinator was away
        never finds it again: so a search without an answer is begun anew, by a new client.
        """
        share = self.timeout / QUESTION_TRIES
        for _ in range(QUESTION_TRIES - 1):
            with suppress(BrokerUnavailable):
                return await self.each(lambda client: make(client, share), share)
        return await self.each(lambda client: make(client, share), share)

    async def _gather(
        self, client: AdminClient, make: Callable[[AdminClient], Mapping[K, Future[Answer]]]
    ) -> dict[K, Answer]:
        try:
            futures = make(client)
        except KafkaException as error:
            raise spoken(error.args[0]) from error
        answers: dict[K, Answer] = {}
        for key, future in futures.items():
            try:
                answers[key] = await asyncio.wrap_future(future)
            except KafkaException as error:
                answers[key] = error.args[0]
        client.poll(0)  # serves log lines and the error callback
        for answer in answers.values():
            if _is(answer, _SILENT):
                raise self._unanswered(client, answer)
        return answers

    async def blocking(self, call: Callable[[AdminClient], Answer]) -> Answer:
        """The answer to a call that has no future, made on a thread."""
        client = self.client
        try:
            return await asyncio.to_thread(call, client)
        except KafkaException as error:
            client.poll(0)
            if _is(error.args[0], _SILENT):
                raise self._unanswered(client, error.args[0]) from error
            raise spoken(error.args[0]) from error

    async def until(self, shown: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a change that was accepted shows, so that one who changes and then asks sees the change."""
        deadline = time.monotonic() + _VISIBLE
        while not await shown() and time.monotonic() < deadline:
            await asyncio.sleep(_PAUSE)

    def unavailable(self, error: KafkaError) -> BrokerUnavailable:
        """No answer: with the reason the client heard last, which says more than "timed out"."""
        servers = self._settings.get("bootstrap.servers", "(no bootstrap.servers)")
        why = self._last_error or error.str()
        return BrokerUnavailable(
            f"no answer from Kafka at {servers} within {self.timeout:g} s: {why}",
            "is it running, and does `kafka: bootstrap.servers` name it?",
        )

    def _unanswered(self, client: AdminClient, error: KafkaError) -> BrokerUnavailable:
        """As `unavailable`; and the next question is asked by a new client (see QUESTION_TRIES)."""
        self._questions.let_go(client)
        return self.unavailable(error)

    def _make(self) -> AdminClient:
        logger = logging.getLogger("penstock.kafka")
        # What goes wrong is raised to the one who asked; the client's own lines would only say it again.
        settings = {"log_level": 2, **self._settings, "error_cb": self._hear}
        try:
            return AdminClient(settings, logger=logger)
        except KafkaException as error:
            raise BrokerError(f"the Kafka settings are refused: {error.args[0].str()}", "see `kafka:`") from error

    def _hear(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._last_error:  # noqa: SLF001
            self._last_error = error.str()


def is_unknown(answer: Answer) -> bool:
    """Whether this answer says that the topic or partition does not exist."""
    return _is(answer, _UNKNOWN)


def is_silence(error: KafkaError) -> bool:
    """Whether this error means that nobody answered."""
    return _is(error, _SILENT | _PASSING)


def spoken(error: KafkaError, subject: str = "") -> BrokerError:
    """The broker's refusal as our error; `subject` names what it is about."""
    text = f"{subject}: {error.str()}" if subject else error.str()
    if is_unknown(error):
        return TopicMissing(text, "`penstock apply` creates the topics of a topology")
    if is_silence(error):
        return BrokerUnavailable(text)
    return BrokerError(text)


def _is(answer: Answer, codes: frozenset[int]) -> bool:
    return isinstance(answer, KafkaError) and answer.code() in codes
