"""Event[T]: plain data becomes the shape a handler asks for, or is undecodable with the path that is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NewType, NotRequired, Required, TypedDict, TypeVar
from uuid import UUID

import pytest

from penstock.errors import HandlerError, Undecodable
from penstock.schema.typing import converter

T = TypeVar("T")
CustomerId = NewType("CustomerId", str)


class Tier(Enum):
    GOLD = "gold"


@dataclass
class Customer:
    id: CustomerId
    tier: Tier = Tier.GOLD


@dataclass(frozen=True)
class Ticket:
    id: str
    customer: Customer
    at: datetime
    tags: list[str] = field(default_factory=list)
    parent: Ticket | None = None
    derived: int = field(init=False, default=7)


class Note(TypedDict):
    text: str
    by: NotRequired[Customer]


class Loose(TypedDict, total=False):
    text: Required[str]
    n: int


class Model:
    """What penstock needs of a pydantic model class."""

    def __init__(self, data: Any) -> None:
        self.data = data

    @classmethod
    def model_validate(cls, data: Any) -> Model:
        if "bad" in data:
            raise ValueError("1 validation error")
        return cls(data)


@dataclass
class Box(Generic[T]):
    inside: T
    model: Model | None = None


@dataclass
class Even:
    n: int

    def __post_init__(self) -> None:
        if self.n % 2:
            raise ValueError("n is odd")


TICKET = {"id": "t-1", "customer": {"id": "c-1", "unknown": 1}, "at": "2026-01-02T03:04:05Z"}


@pytest.mark.parametrize("annotation", [None, Any, dict, object, T])
def test_nothing_is_converted_where_nothing_is_asked(annotation: Any) -> None:
    assert converter(annotation) is None


def convert(annotation: Any, data: Any) -> Any:
    found = converter(annotation)
    assert found is not None
    return found(data)


def test_a_dataclass_takes_nested_data_defaults_and_ignores_unknown_keys() -> None:
    found = convert(Ticket, {**TICKET, "parent": TICKET, "tags": ["a"]})
    plain = Ticket("t-1", Customer(CustomerId("c-1")), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert found == Ticket(plain.id, plain.customer, plain.at, ["a"], plain)


def test_a_tombstone_stays_none() -> None:
    assert convert(Ticket, None) is None


def test_an_instance_stays_itself() -> None:
    customer = Customer(CustomerId("c"))
    assert convert(Customer, customer) is customer


@pytest.mark.parametrize(
    ("annotation", "data", "found"),
    [
        (str, "a", "a"),
        (int, 3, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (bytes, b"x", b"x"),
        (Decimal, 1.1, Decimal("1.1")),
        (Decimal, "1.10", Decimal("1.10")),
        (UUID, str(UUID(int=5)), UUID(int=5)),
        (UUID, UUID(int=5), UUID(int=5)),
        (date, "2026-01-02", date(2026, 1, 2)),
        (Tier, "gold", Tier.GOLD),
        (Literal["a", 1], 1, 1),
        (int | None, None, None),
        (int | str, "a", "a"),
        (list, [1, "a"], [1, "a"]),
        (list[Tier], ["gold"], [Tier.GOLD]),
        (Sequence[int], [1], [1]),
        (set[int], [1, 1], {1}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (dict[str, Tier], {"a": "gold"}, {"a": Tier.GOLD}),
        (Mapping[str, Any], {"a": 1}, {"a": 1}),
        (Annotated[int, ["unhashable"]], 3, 3),
        (Note, {"text": "a", "more": 1}, {"text": "a", "more": 1}),
        (Note, {"text": "a", "by": {"id": "c"}}, {"text": "a", "by": Customer(CustomerId("c"))}),
        (Box[int], {"inside": 1}, Box(1)),
        (Even, {"n": 2}, Even(2)),
    ],
)
def test_what_fits_is_converted(annotation: Any, data: Any, found: Any) -> None:
    assert convert(annotation, data) == found


@pytest.mark.parametrize(
    ("annotation", "data", "path", "word"),
    [
        (Ticket, [], "data", "object"),
        (Ticket, {**TICKET, "id": 1}, "data.id", "text"),
        (Ticket, {"id": "x"}, "data.customer", "missing"),
        (Ticket, {**TICKET, "customer": {}}, "data.customer.id", "missing"),
        (Ticket, {**TICKET, "customer": {"id": "c", "tier": "tin"}}, "data.customer.tier", "'gold'"),
        (Ticket, {**TICKET, "at": "soon"}, "data.at", "ISO 8601"),
        (Ticket, {**TICKET, "at": 5}, "data.at", "ISO 8601"),
        (Ticket, {**TICKET, "tags": ["a", 1]}, "data.tags[1]", "text"),
        (Ticket, {**TICKET, "tags": "a"}, "data.tags", "list"),
        (Ticket, {**TICKET, "parent": {"id": "p"}}, "data.parent.customer", "missing"),
        (Note, {}, "data.text", "missing"),
        (Note, {"text": "a", "by": {}}, "data.by.id", "missing"),
        (Loose, {"n": 1}, "data.text", "missing"),
        (Loose, {"text": "a", "n": "x"}, "data.n", "whole number"),
        (int, True, "data", "whole number"),
        (int, 1.0, "data", "whole number"),
        (float, "1", "data", "number"),
        (Decimal, "x", "data", "decimal"),
        (Decimal, [], "data", "decimal"),
        (UUID, "x", "data", "UUID"),
        (date, datetime(2026, 1, 1, tzinfo=UTC), "data", "date"),
        (Literal[1], True, "data", "one of 1"),
        (int | list[int], "a", "data", "int | list[int]"),
        (tuple[int, str], [1], "data", "list of 2"),
        (dict[str, int], {"a": "b"}, "data.a", "whole number"),
        (Box[int], {"inside": 1, "model": {"bad": 1}}, "data.model", "validation error"),
        (Even, {"n": 3}, "data", "n is odd"),
    ],
)
def test_what_does_not_fit_is_undecodable_with_its_path(annotation: Any, data: Any, path: str, word: str) -> None:
    with pytest.raises(Undecodable) as caught:
        convert(annotation, data)
    assert caught.value.message.startswith(f"{path} ")
    assert word in caught.value.message


def test_a_model_validates_itself() -> None:
    assert convert(Model, {"a": 1}).data == {"a": 1}
    with pytest.raises(Undecodable, match="data is no Model: 1 validation error") as caught:
        convert(Model, {"bad": 1})
    assert isinstance(caught.value.__cause__.__cause__, ValueError)  # type: ignore[union-attr]


class Opaque: ...


@pytest.mark.parametrize("annotation", [Opaque, list[Opaque], "text"])
def test_a_shape_that_cannot_be_made_is_said_at_once(annotation: Any) -> None:
    with pytest.raises(HandlerError, match="data cannot be given as"):
        converter(annotation)


def test_an_annotation_that_cannot_be_resolved_is_said_at_once() -> None:
    @dataclass
    class Broken:
        a: Missing  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(HandlerError, match="Missing"):
        converter(Broken)


def test_pydantic_is_never_imported() -> None:
    script = "import sys, penstock.schema.typing; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
