"""Data to JSON and back. What JSON cannot say is refused with its path, never bent: NaN, Decimal, bytes, sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from typing import Any, Final
from uuid import UUID

import orjson

from penstock.errors import Unencodable
from penstock.schema.misfit import Misfit

CONTENT_TYPE: Final = "application/json"
_NATIVE: Final = (datetime, date, time, UUID)
_DEEPEST: Final = 250  # what orjson's own writer allows, near enough


def dump(data: Any) -> bytes:
    """The JSON text of `data`: plain values, datetime, UUID, enum, dataclass, TypedDict, pydantic models.

    Raises Unencodable with the path of the first value that JSON cannot say.
    """
    try:
        text = orjson.dumps(data, _plain)
    except TypeError as error:  # orjson.JSONEncodeError is one
        raise _unencodable(data, str(error)) from None
    if b"null" in text:  # orjson writes NaN and infinities as null; looking for them costs only where a null is
        try:
            _check(data, 0)
        except Misfit as misfit:
            raise _refusal(misfit) from None
    return text


def _plain(value: Any) -> Any:
    """What orjson asks about each value it does not know itself."""
    model_dump = getattr(value, "model_dump", None)
    if callable(model_dump):
        return model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):  # a NamedTuple, as the standard library's json has it
        return list(value)
    raise TypeError(type(value).__name__)


def _unencodable(data: Any, said: str) -> Unencodable:
    try:
        _check(data, 0)
    except Misfit as misfit:
        return _refusal(misfit)
    return Unencodable(f"data cannot be said in JSON: {said}", "send plain values: text, numbers, lists, maps")


def _refusal(misfit: Misfit) -> Unencodable:
    return Unencodable(str(misfit), "send text or a finite number instead, or give the event type an Avro schema")


def _check(value: Any, depth: int) -> None:
    """Raise Misfit at the first value that JSON cannot say."""
    if depth > _DEEPEST:
        raise Misfit("is nested too deeply, or contains itself")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, Enum):
        _check(value.value, depth + 1)
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise Misfit("is an integer of more than 64 bits, which JSON readers would round")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Misfit(f"is {value}, which JSON cannot say")
    elif not isinstance(value, _NATIVE):
        _check_parts(value, depth)


def _check_parts(value: Any, depth: int) -> None:
    if is_dataclass(value) and not isinstance(value, type):
        _check_pairs({one.name: getattr(value, one.name) for one in fields(value)}, depth)
    elif isinstance(value, Mapping):
        _check_pairs(value, depth)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            try:
                _check(item, depth + 1)
            except Misfit as misfit:
                raise misfit.under(index) from None
    elif callable(model_dump := getattr(value, "model_dump", None)):
        _check(model_dump(mode="json"), depth + 1)
    else:
        raise Misfit(f"is a {type(value).__name__}, which JSON cannot say")


def _check_pairs(pairs: Mapping[Any, Any], depth: int) -> None:
    for key, item in pairs.items():
        if not isinstance(key, str):
            raise Misfit(f"has the key {key!r}; JSON allows text only")
        try:
            _check_text(key)
            _check(item, depth + 1)
        except Misfit as misfit:
            raise misfit.under(key) from None


def _check_text(value: str) -> None:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Misfit("is text with half a surrogate pair, which UTF-8 cannot say") from None
