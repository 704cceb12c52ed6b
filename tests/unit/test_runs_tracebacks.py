"""Tracebacks of run records: the very text of the standard library, whether a stack is new or was spelled before."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

from penstock.runs.tracebacks import Tracebacks


def fails(depth: int = 3) -> None:
    if depth:
        fails(depth - 1)
    raise ValueError(f"at {depth}")


def fails_because() -> None:
    try:
        fails()
    except ValueError as error:
        raise RuntimeError("because") from error


def fails_while() -> None:
    try:
        fails()
    except ValueError:
        {}["missing"]


def fails_with_notes() -> None:
    error = ValueError("two\nlines")
    error.add_note("a note")
    raise error


def fails_as_a_group() -> None:
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])


def fails_to_compile() -> None:
    compile("a b", "<text>", "exec")


def raised_by(fail: Callable[[], None]) -> Exception:
    try:
        fail()
    except Exception as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "fail", [fails, fails_because, fails_while, fails_with_notes, fails_as_a_group, fails_to_compile]
)
def test_it_is_what_the_standard_library_says_also_the_second_time(fail: Callable[[], None]) -> None:
    tracebacks = Tracebacks()
    for _ in range(3):
        error = raised_by(fail)
        assert tracebacks.of(error) == "".join(traceback.format_exception(error))


def test_an_error_that_was_never_raised_is_said_too() -> None:
    assert Tracebacks().of(ValueError("never raised")) == "ValueError: never raised\n"


def test_another_line_of_the_same_function_is_another_stack() -> None:
    tracebacks = Tracebacks()
    for depth in (0, 1, 0, 2):
        error = raised_by(lambda depth=depth: fails(depth))  # type: ignore[misc]
        assert tracebacks.of(error) == "".join(traceback.format_exception(error))
