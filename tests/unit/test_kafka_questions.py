"""Blocking questions to Kafka: a client that got no answer is not asked again."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from penstock.broker.kafka.questions import Questions


class Client:
    """An admin client; `future` is its answer to everything."""

    def __init__(self, future):
        self.future = future


def failed(code):
    future = Future()
    future.set_exception(KafkaException(KafkaError(code)))
    return future


def answered(answer):
    future = Future()
    future.set_result(answer)
    return future


def questions_to(*futures):
    made = [Client(future) for future in futures]
    left = iter(made)
    return Questions(lambda: next(left)), made


def ask(client):
    return {"topic": client.future}


def test_one_client_answers_everything():
    questions, (client,) = questions_to(answered("there"))
    assert [questions.each(ask, 1.0) for _ in range(2)] == [{"topic": "there"}] * 2
    assert questions.client is client


@pytest.mark.parametrize("code", [KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT])
def test_a_client_without_an_answer_is_replaced(code):
    questions, (_, second) = questions_to(failed(code), answered("there"))
    with pytest.raises(KafkaException):
        questions.each(ask, 1.0)
    assert questions.each(ask, 1.0) == {"topic": "there"}
    assert questions.client is second


def test_a_client_that_says_nothing_at_all_is_replaced():
    questions, (_, second) = questions_to(Future(), answered("there"))
    with pytest.raises(TimeoutError):
        questions.each(ask, -1.0)
    assert questions.client is second


def test_a_refusal_is_an_answer():
    questions, (client,) = questions_to(failed(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(KafkaException):
        questions.each(ask, 1.0)
    assert questions.client is client


def test_a_client_that_was_replaced_meanwhile_takes_nobody_along():
    silent = Future()
    questions, (_, second, _) = questions_to(silent, answered("there"), answered("a third"))

    def ask_while_another_fails(client):
        with pytest.raises(TimeoutError):
            questions.each(ask, -1.0)
        assert questions.client is second
        return ask(client)

    with pytest.raises(TimeoutError):
        questions.each(ask_while_another_fails, -1.0)
    assert questions.client is second
