"""The parts a shape is made of: each function checks and converts one kind of value, or raises Misfit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID

from penstock.schema.misfit import Misfit

Convert: TypeAlias = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field of a dataclass."""

    name: str
    convert: Convert
    required: bool


def dataclass_of(wanted: Any, fields: Sequence[Field]) -> Convert:
    """A dataclass from an object; unknown keys are ignored, defaults are its own."""

    def convert(value: Any) -> Any:
        if isinstance(value, wanted):
            return value
        pairs = _pairs(value)
        said = {}
        for field in fields:
            if field.name in pairs:
                said[field.name] = _under(field.name, field.convert, pairs[field.name])
            elif field.required:
                raise Misfit("is missing").under(field.name)
        try:
            return wanted(**said)
        except (ValueError, TypeError) as error:  # its own __post_init__ said no
            raise Misfit(f"is no {wanted.__name__}: {error}") from error

    return convert


def typed_dict_of(fields: Mapping[str, Convert], required: frozenset[str]) -> Convert:
    """An object whose annotated keys fit; the others stay as they are."""

    def convert(value: Any) -> Any:
        found = dict(_pairs(value))
        for name, field in fields.items():
            if name in found:
                found[name] = _under(name, field, found[name])
            elif name in required:
                raise Misfit("is missing").under(name)
        return found

    return convert


def model_of(wanted: Any) -> Convert:
    """A pydantic model, by its own `model_validate`; pydantic is never imported here."""

    def convert(value: Any) -> Any:
        try:
            return wanted.model_validate(value)
        except ValueError as error:  # pydantic.ValidationError is one
            raise Misfit(f"is no {wanted.__name__}: {error}") from error

    return convert


def _pairs(value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(value, "an object")
    return value


def _under(step: str | int, convert: Convert, value: Any) -> Any:
    try:
        return convert(value)
    except Misfit as misfit:
        raise misfit.under(step) from misfit.__cause__


def _wrong(value: Any, wanted: str) -> Misfit:
    text = repr(value)
    shown = text if len(text) <= 60 else f"a {type(value).__name__} ({text[:40]}...)"
    return Misfit(f"is {shown}, not {wanted}")


def null(value: Any) -> None:
    """Null and nothing else."""
    if value is not None:
        raise _wrong(value, "null")


def _exactly(kind: Any, wanted: str) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _wrong(value, wanted)
        return value

    return convert


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(value, "a number")
    return float(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(value, "a decimal")
    try:
        return Decimal(str(value))  # str: the digits that were written, not the float behind them
    except InvalidOperation:
        raise _wrong(value, "a decimal") from None


def _parsed(kind: Any, parse: Callable[[str], Any], wanted: str) -> Convert:
    def convert(value: Any) -> Any:
        if isinstance(value, kind) and not (kind is date and isinstance(value, datetime)):
            return value
        if not isinstance(value, str):
            raise _wrong(value, wanted)
        try:
            return parse(value)
        except ValueError:
            raise _wrong(value, wanted) from None

    return convert


def enum_of(wanted: type[Enum]) -> Convert:
    """The member with this value."""

    def convert(value: Any) -> Any:
        try:
            return wanted(value)
        except ValueError:
            raise _wrong(value, f"one of {', '.join(repr(one.value) for one in wanted)}") from None

    return convert


def literal_of(allowed: tuple[Any, ...]) -> Convert:
    """One of these values."""

    def convert(value: Any) -> Any:
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise _wrong(value, f"one of {', '.join(map(repr, allowed))}")
        return value

    return convert


def union_of(branches: Sequence[Convert], wanted: Any) -> Convert:
    """The first branch that fits."""

    def convert(value: Any) -> Any:
        misfits = []
        for branch in branches:
            try:
                return branch(value)
            except Misfit as misfit:
                if branch is not null:
                    misfits.append(misfit)
        if len(misfits) == 1:  # Optional[T]: what T says is the better message
            raise misfits[0]
        raise _wrong(value, str(wanted))

    return convert


def list_of(make: Callable[[Any], Any], item: Convert) -> Convert:
    """A list, made into `make`."""

    def convert(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _wrong(value, "a list")
        return make(_under(index, item, one) for index, one in enumerate(value))

    return convert


def tuple_of(items: Sequence[Convert]) -> Convert:
    """A list of exactly these."""

    def convert(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) != len(items):
            raise _wrong(value, f"a list of {len(items)}")
        return tuple(_under(index, item, one) for index, (item, one) in enumerate(zip(items, value, strict=True)))

    return convert


def map_of(key: Convert, item: Convert) -> Convert:
    """An object of any keys."""

    def convert(value: Any) -> Any:
        return {_under(str(one), key, one): _under(str(one), item, found) for one, found in _pairs(value).items()}

    return convert


SCALARS: Final[Mapping[Any, Convert]] = {
    str: _exactly(str, "text"),
    int: _exactly(int, "a whole number"),
    bool: _exactly(bool, "true or false"),
    bytes: _exactly(bytes, "bytes"),
    float: _float,
    Decimal: _decimal,
    datetime: _parsed(datetime, datetime.fromisoformat, "an ISO 8601 time"),
    date: _parsed(date, date.fromisoformat, "an ISO 8601 date"),
    time: _parsed(time, time.fromisoformat, "an ISO 8601 time of day"),
    UUID: _parsed(UUID, UUID, "a UUID"),
}
LISTS: Final[Mapping[Any, Callable[[Any], Any]]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    Sequence: list,
    AbstractSet: set,
}
