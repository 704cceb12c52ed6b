"""Plain data fitted to an Avro schema: texts become times, decimals and UUIDs where the schema says so; defaults stay.

Needed where fastavro's own check says no (dataclasses, ISO times, a mistake to be named), so speed matters little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final
from uuid import UUID

from penstock.schema.misfit import Misfit

_INT: Final = 1 << 31
_LONG: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Fit:
    """How to fit: `names` are the schema's named types; `drop` ignores fields the schema does not have.

    With `exact` nothing is converted: what tells `["timestamp", "string"]` apart for a text.
    """

    names: Mapping[str, Any]
    drop: bool = False
    exact: bool = False

    def __call__(self, value: Any, schema: Any) -> Any:
        """`value` as fastavro wants it for `schema` (parsed). Raises Misfit with the path."""
        if isinstance(value, Enum) and not isinstance(value, str):
            value = value.value
        if isinstance(schema, str):
            return self(value, self.names[schema]) if schema in self.names else _primitive(value, schema, schema)
        if isinstance(schema, list):
            return self._union(value, schema)
        return self._complex(value, schema, schema["type"])

    def _complex(self, value: Any, schema: Mapping[str, Any], kind: Any) -> Any:
        logical = _LOGICAL.get(f"{kind}-{schema.get('logicalType')}")
        if logical is not None:
            return logical(value, schema, self.exact)
        if kind in ("record", "error"):
            return self._record(value, schema)
        if kind == "array":
            return self._array(value, schema["items"])
        if kind == "map":
            return self._map(value, schema["values"])
        return _primitive(value, kind, schema)

    def _union(self, value: Any, branches: list[Any]) -> Any:
        misfits: list[Misfit] = []
        passes = (True,) if self.exact else (True, False)
        for exact in passes:
            misfits.clear()
            for branch in branches:
                try:
                    return Fit(self.names, self.drop, exact)(value, branch)
                except Misfit as misfit:
                    if branch != "null":
                        misfits.append(misfit)
        if len(misfits) == 1:
            raise misfits[0]
        raise Misfit(f"is {_spell(value)}; the schema wants one of {', '.join(map(_name, branches))}")

    def _record(self, value: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
        pairs = _pairs(value)
        if pairs is None:
            raise Misfit(f"is {_spell(value)}; the schema wants a record {schema['name']}")
        found = {}
        for field in schema["fields"]:
            name = field["name"]
            if name in pairs:
                try:
                    found[name] = self(pairs[name], field["type"])
                except Misfit as misfit:
                    raise misfit.under(name) from None
            elif "default" not in field:
                raise Misfit("is missing").under(name)
        if not self.drop and (extra := next((name for name in pairs if name not in found), None)) is not None:
            raise Misfit("is not a field of the schema").under(str(extra))
        return found

    def _array(self, value: Any, items: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise Misfit(f"is {_spell(value)}; the schema wants an array")
        found = []
        for index, item in enumerate(value):
            try:
                found.append(self(item, items))
            except Misfit as misfit:
                raise misfit.under(index) from None
        return found

    def _map(self, value: Any, values: Any) -> dict[str, Any]:
        pairs = _pairs(value)
        if pairs is None:
            raise Misfit(f"is {_spell(value)}; the schema wants a map")
        found = {}
        for key, item in pairs.items():
            try:
                found[_primitive(key, "string", "string")] = self(item, values)
            except Misfit as misfit:
                raise misfit.under(str(key)) from None
        return found


def _pairs(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    if callable(model_dump := getattr(value, "model_dump", None)):
        dumped: Mapping[Any, Any] = model_dump()
        return dumped
    return None


def _primitive(value: Any, kind: str, schema: Any) -> Any:
    fitting = _PRIMITIVES.get(kind)
    if fitting is not None and fitting(value):
        return value
    if kind == "enum":
        if isinstance(value, str) and value in schema["symbols"]:
            return str(value.value) if isinstance(value, Enum) else value
        raise Misfit(f"is {_spell(value)}; the schema knows {', '.join(schema['symbols'])}")
    if kind == "fixed" and isinstance(value, bytes) and len(value) == schema["size"]:
        return value
    raise Misfit(f"is {_spell(value)}; the schema wants {_name(schema)}")


def _is_int(value: Any, bound: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_PRIMITIVES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": _is_text,
    "bytes": lambda value: isinstance(value, bytes | bytearray),
    "int": lambda value: _is_int(value, _INT),
    "long": lambda value: _is_int(value, _LONG),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "double": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def _when(kind: type, raw: str) -> Callable[[Any, Any, bool], Any]:
    """A fitter for one time type: the value itself, its raw number, or (converting) its ISO text."""

    def fitted(value: Any, schema: Any, exact: bool) -> Any:  # noqa: FBT001 - one signature for all logical types
        if isinstance(value, kind) and not (kind is date and isinstance(value, datetime)):
            return value
        if isinstance(value, str) and not exact:
            try:
                found = kind.fromisoformat(value)  # type: ignore[attr-defined]
            except ValueError:
                raise Misfit(f"is {_spell(value)}; the schema wants an ISO 8601 {kind.__name__}") from None
            return found.replace(tzinfo=UTC) if kind is datetime and found.tzinfo is None else found
        return _primitive(value, raw, schema)

    return fitted


def _local(value: Any, schema: Any, exact: bool) -> Any:  # noqa: FBT001 - see _when
    found = _when(datetime, "long")(value, schema, exact)
    return found.replace(tzinfo=None) if isinstance(value, str) and isinstance(found, datetime) else found


def _uuid(value: Any, schema: Any, exact: bool) -> Any:  # noqa: FBT001 - see _when
    if isinstance(value, UUID):
        return value
    try:
        return str(UUID(value)) if isinstance(value, str) else _primitive(value, "string", schema)
    except ValueError:
        raise Misfit(f"is {_spell(value)}; the schema wants a UUID") from None


def _decimal(value: Any, schema: Any, exact: bool) -> Any:  # noqa: FBT001 - see _when
    if isinstance(value, bytes | bytearray):
        return _primitive(value, schema["type"], schema)
    found = value
    if not exact and isinstance(value, str | int) and not isinstance(value, bool):
        try:
            found = Decimal(value)
        except InvalidOperation:
            found = None
    if not isinstance(found, Decimal) or not found.is_finite():
        raise Misfit(f"is {_spell(value)}; the schema wants a decimal")
    digits, scale = schema["precision"], schema.get("scale", 0)
    unscaled = found.scaleb(scale) if math.isfinite(found) else found
    if unscaled != unscaled.to_integral_value() or abs(unscaled) >= Decimal(10) ** digits:
        raise Misfit(f"is {value}; the schema wants at most {digits} digits, {scale} of them after the point")
    return Decimal(int(unscaled)).scaleb(-scale)


_LOGICAL: Final[Mapping[str, Callable[[Any, Any, bool], Any]]] = {
    "long-timestamp-millis": _when(datetime, "long"),
    "long-timestamp-micros": _when(datetime, "long"),
    "long-local-timestamp-millis": _local,
    "long-local-timestamp-micros": _local,
    "int-date": _when(date, "int"),
    "int-time-millis": _when(time, "int"),
    "long-time-micros": _when(time, "long"),
    "string-uuid": _uuid,
    "bytes-decimal": _decimal,
    "fixed-decimal": _decimal,
}


def _name(schema: Any) -> str:
    if isinstance(schema, str):
        return schema
    return str(schema.get("name") or schema.get("logicalType") or schema["type"])


def _spell(value: Any) -> str:
    """The value, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__} ({text[:40]}...)"
