"""JSON in and out: what fits round-trips, what JSON cannot say is refused with its path."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import OrderedDict, namedtuple
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Undecodable, Unencodable, UnknownSchema
from penstock.schema.codec import Codec, Encoded

CODEC = Codec()

_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
plain = st.recursive(
    _leaves,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@dataclasses.dataclass
class Line:
    price: Any


class Colour(Enum):
    RED = "red"


class Model:
    """What penstock needs of a pydantic model."""

    def model_dump(self, mode: str = "python") -> dict[str, Any]:
        return {"mode": mode, "null": None}


@pytest.mark.slow
@given(plain)
def test_plain_data_comes_back_as_it_went(data: Any) -> None:
    value, content_type, dataschema = CODEC.encode("", data)
    back = CODEC.decode("", value, [("content-type", content_type.encode())])
    assert back == data
    assert dataschema is None
    assert (value is None) == (data is None)


@given(plain)
def test_what_is_written_is_json_for_everyone(data: Any) -> None:
    if data is not None:
        assert json.loads(CODEC.encode("", data).value or b"") == data


@given(st.binary())
def test_any_bytes_are_decoded_or_refused_and_nothing_else(value: bytes) -> None:
    try:
        data = CODEC.decode("", value)
    except (Undecodable, UnknownSchema):
        return
    assert data == json.loads(value)


def test_none_is_a_tombstone() -> None:
    assert CODEC.encode("ticket.created", None) == Encoded(None, "", None)
    assert CODEC.decode("ticket.created", None) is None


def test_a_tombstone_is_never_decoded_whatever_its_headers_say() -> None:
    assert (
        CODEC.decode("x", None, [("content-type", b"text/plain"), ("ce_dataschema", b"urn:penstock:schema:x:0")])
        is None
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Line(3), {"price": 3}),
        (Colour.RED, "red"),
        (Model(), {"mode": "json", "null": None}),
        ((1, 2), [1, 2]),
        (namedtuple("Pair", "a b")(1, None), [1, None]),  # noqa: PYI024
        (OrderedDict(b=1), {"b": 1}),
        (MappingProxyType({"a": None}), {"a": None}),
    ],
)
def test_values_beyond_json_have_one_spelling(data: Any, said: Any) -> None:
    assert json.loads(CODEC.encode("", {"it": data}).value or b"") == {"it": said}


@pytest.mark.parametrize(
    ("data", "path", "word"),
    [
        ({"lines": [Line(1), Line(Decimal("1.5"))]}, "data.lines[1].price", "Decimal"),
        ({"a": {"b": b"x"}}, "data.a.b", "bytes"),
        ({"a": {1, 2}}, "data.a", "set"),
        ({"a": [1.0, math.nan]}, "data.a[1]", "nan"),
        ([math.inf], "data[0]", "inf"),
        ({"a": Line(math.nan)}, "data.a.price", "nan"),
        ({1: "x"}, "data", "key 1"),
        ({"a": 1 << 64}, "data.a", "64 bits"),
        ({"a": "\ud800"}, "data.a", "surrogate"),
        ({"a": object()}, "data.a", "object"),
        (Decimal(1), "data", "Decimal"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_path(data: Any, path: str, word: str) -> None:
    with pytest.raises(Unencodable) as caught:
        CODEC.encode("", data)
    assert caught.value.message.startswith(f"{path} ")
    assert word in caught.value.message
    assert caught.value.hint


def test_data_that_contains_itself_is_refused() -> None:
    data: list[Any] = []
    data.append(data)
    with pytest.raises(Unencodable, match="nested too deeply"):
        CODEC.encode("", data)


@pytest.mark.parametrize("value", [b"", b"{", b"nope", b'{"a": NaN}', b"\xff\xfe", b'"\xc3"'])
def test_bytes_that_are_no_json_are_undecodable(value: bytes) -> None:
    with pytest.raises(Undecodable, match="not JSON"):
        CODEC.decode("", value)


@pytest.mark.parametrize(
    ("content_type", "value", "data"),
    [
        (None, b"[1]", [1]),
        (b"", b"[1]", [1]),
        (b"application/json; charset=utf-8", b"[1]", [1]),
        (b"Application/JSON", b"[1]", [1]),
        (b"application/vnd.bank+json", b"[1]", [1]),
        (b"text/plain", b"[1]", "[1]"),
        (b"text/plain", b"", ""),
        (b'text/plain; charset="latin-1"', b"\xe9", "é"),
        (b"application/octet-stream", b"\x00\xff", b"\x00\xff"),
        (b"image/png", b"[1]", b"[1]"),
    ],
)
def test_the_content_type_says_what_the_bytes_are(content_type: bytes | None, value: bytes, data: Any) -> None:
    assert CODEC.decode("", value, [("content-type", content_type)]) == data


@pytest.mark.parametrize("content_type", [b"text/plain", b"text/plain; charset=klingon"])
def test_text_in_no_known_charset_is_undecodable(content_type: bytes) -> None:
    with pytest.raises(Undecodable, match="no text"):
        CODEC.decode("", b"\xff", [("content-type", content_type)])


def test_a_registry_schema_is_waited_for_and_not_called_broken() -> None:
    with pytest.raises(UnknownSchema, match="schema 7 of a registry"):
        CODEC.decode("", b"\0\0\0\0\x07rest")
