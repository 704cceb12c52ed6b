"""What one scalar means, by the kind its option declares: `10m` is seconds, `earliest` a start, `true` a flag."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from penstock.durations import LONGEST, Rate, rate, seconds, size, spell, spell_size
from penstock.secret import Secret
from penstock.topology.document import ScalarNode
from penstock.topology.option import Option
from penstock.topology.wording import did_you_mean, listed, quoted

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS: Final = MappingProxyType(
    {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
)
_YES_NO: Final = frozenset({"yes", "no", "on", "off", "y", "n"})
_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9_]{0,30})")
_FLOAT: Final = re.compile(r"[-+]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][-+]?[0-9]{1,3})?")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?(?P<zone>[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Unfit(ValueError):
    """The scalar is not of its kind; `message` continues a sentence that begins with the key."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def is_null(node: ScalarNode) -> bool:
    """Whether nothing is written here."""
    return node.plain and not node.replaced and node.text in _NULL


def plain_value(node: ScalarNode) -> bool | int | float | str | None:
    """A scalar of free settings: unquoted null, true, 5 and 0.5 are what they look like; all else is text."""
    if is_null(node):
        return None
    if not node.plain:
        return node.text
    if node.text in _FLAGS:
        return _FLAGS[node.text]
    if _WHOLE.fullmatch(node.text):
        return int(node.text)
    if _FLOAT.fullmatch(node.text) and not re.fullmatch(r"[-+]?0[0-9]+", node.text):
        found = float(node.text)
        return found if math.isfinite(found) else node.text
    return node.text


def read_scalar(node: ScalarNode, option: Option) -> Any:
    """The value of a scalar of the option's kind. Raises Unfit."""
    if is_null(node) and option.kind != "settings":
        raise Unfit("is empty", "give it a value, or remove the key")
    value = _READERS[option.kind](node, option)
    if isinstance(value, int | float) and not isinstance(value, bool) and option.kind in _BOUNDED:
        _check_bounds(value, option)
    return value


def _text(node: ScalarNode, _option: Option) -> str:
    if not node.replaced:
        looks_like = plain_value(node)
        if not isinstance(looks_like, str):
            word = "flag" if isinstance(looks_like, bool) else "number"
            raise Unfit(f"must be a text, not the {word} {node.text}", f"put it in quotes: {quoted(node.text)}")
    if not node.text.strip():
        raise Unfit("is empty", "give it a value, or remove the key")
    return node.text


def _flag(node: ScalarNode, _option: Option) -> bool:
    if node.text in _FLAGS and _unquoted(node):
        return _FLAGS[node.text]
    hint = "write true or false" + (", without quotes" if node.text in _FLAGS else "")
    if node.text.lower() in _YES_NO:
        hint = f"write {'true' if node.text.lower() in {'yes', 'on', 'y'} else 'false'}"
    raise Unfit(f"must be true or false, not {quoted(node.text)}", hint)


def _count(node: ScalarNode, _option: Option) -> int:
    if _WHOLE.fullmatch(node.text) and _unquoted(node):
        return int(node.text)
    quoted_number = _WHOLE.fullmatch(node.text) is not None
    raise Unfit(
        f"must be a whole number, not {quoted(node.text)}", "remove the quotes" if quoted_number else "for example 12"
    )


def _number(node: ScalarNode, _option: Option) -> float:
    if _FLOAT.fullmatch(node.text) and _unquoted(node) and math.isfinite(found := float(node.text)):
        return found
    raise Unfit(f"must be a number, not {quoted(node.text)}", "for example 2.5")


def _duration(node: ScalarNode, option: Option) -> float:
    if _FLOAT.fullmatch(node.text):
        if float(node.text) == 0:
            return 0.0
        whole = node.text.lstrip("+")
        raise Unfit(f"must be a duration, {whole} has no unit", f"write a unit: {whole}s or {whole}ms")
    try:
        found = seconds(node.text)
    except (ValueError, OverflowError):
        raise Unfit(f"must be a duration, not {quoted(node.text)}", "write 500ms, 5s, 10m, 24h") from None
    if found > LONGEST and option.most is None:
        raise Unfit(f"is {quoted(node.text)}, longer than a year", "write 500ms, 5s, 10m, 24h")
    return found


def _size(node: ScalarNode, _option: Option) -> int:
    try:
        return size(int(node.text) if _WHOLE.fullmatch(node.text) else node.text)
    except ValueError:
        raise Unfit(f"must be a size, not {quoted(node.text)}", "write 512KiB, 64MiB, 1GiB") from None


def _rate(node: ScalarNode, _option: Option) -> Rate:
    try:
        return rate(node.text)
    except ValueError:
        raise Unfit(f"must be a rate, not {quoted(node.text)}", "write 10/s, 500/m, 200k/m") from None


def _share(node: ScalarNode, _option: Option) -> float:
    """Percent as a part of 1."""
    text = node.text.removesuffix("%").strip()
    if not node.text.endswith("%") or not _FLOAT.fullmatch(text) or not 0 < float(text) <= 100:
        raise Unfit(f"must be a share, not {quoted(node.text)}", "write 50%, at most 100%")
    return float(text) / 100


def _start(node: ScalarNode, _option: Option) -> str | int:
    """`earliest`, `latest`, or a time as epoch milliseconds."""
    if node.text in {"earliest", "latest"}:
        return node.text
    match = _TIME.fullmatch(node.text)
    if not match:
        hint = did_you_mean(node.text, ("earliest", "latest"), "a time is written 2026-01-31T08:00:00Z")
        raise Unfit(f"must be earliest, latest or a time, not {quoted(node.text)}", hint)
    if not match["zone"]:
        raise Unfit(f"is a time without its zone: {node.text}", f"write {node.text.replace(' ', 'T')}Z for UTC")
    try:
        since = datetime.fromisoformat(node.text.upper()) - _EPOCH
    except (ValueError, OverflowError) as error:
        raise Unfit(f"is not a time: {node.text}", str(error)) from None
    if since < timedelta(0):
        raise Unfit(f"is a time before 1970: {node.text}", "no record is that old: write earliest")
    return since // timedelta(milliseconds=1)


def _choice(node: ScalarNode, option: Option) -> str:
    if node.text in option.choices:
        return node.text
    hint = did_you_mean(node.text, option.choices)
    raise Unfit(f"must be one of {listed(option.choices)}, not {quoted(node.text)}", hint)


def _path(node: ScalarNode, option: Option) -> str:
    return _text(node, option)


def _secret(node: ScalarNode, _option: Option) -> Secret:
    """A reference to a secret; a relative file begins at the topology's folder, which the reader knows."""
    if node.text.startswith("file:"):
        if not node.text.removeprefix("file:").strip():
            raise Unfit("names no file", "write file:/run/secrets/NAME")
        return Secret(file=Path(node.text.removeprefix("file:").strip()))
    if not node.replaced:
        raise Unfit("is a secret and must not stand in this file", "write ${NAME}, or file:/run/secrets/NAME")
    if not node.text.strip():
        raise Unfit("is empty", "set the environment variable it names")
    return Secret(node.text)


def _setting(node: ScalarNode, _option: Option) -> str:
    """A client or topic setting as Kafka wants it: text."""
    if is_null(node):
        raise Unfit("is empty", "give it a value, or remove the key")
    if node.plain and node.text.lower() in {"true", "false"}:
        return node.text.lower()
    if node.plain and node.text.lower() in {"yes", "no", "on", "off"} and not node.replaced:
        return "true" if node.text.lower() in {"yes", "on"} else "false"
    if node.plain and _WHOLE.fullmatch(node.text):
        return str(int(node.text))
    return node.text


def _unquoted(node: ScalarNode) -> bool:
    return node.plain or node.replaced


def _check_bounds(value: float, option: Option) -> None:
    wording = {"duration": spell, "size": spell_size}.get(option.kind, _spell_number)
    if option.least is not None and option.least == option.most and value != option.least:
        raise Unfit(f"must be {wording(option.least)}, not {wording(value)}")
    if option.least is not None and value < option.least:
        raise Unfit(f"is {wording(value)}, the least is {wording(option.least)}")
    if option.most is not None and value > option.most:
        raise Unfit(f"is {wording(value)}, the most is {wording(option.most)}")


def _spell_number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 and isinstance(value, float) else str(int(value))


_BOUNDED: Final = frozenset({"count", "duration", "number", "size"})
_READERS: Final[Mapping[str, Callable[[ScalarNode, Option], Any]]] = MappingProxyType(
    {
        "text": _text,
        "name": _text,
        "texts": _text,
        "flag": _flag,
        "count": _count,
        "duration": _duration,
        "size": _size,
        "number": _number,
        "rate": _rate,
        "share": _share,
        "start": _start,
        "choice": _choice,
        "path": _path,
        "paths": _path,
        "settings": _setting,
        "secret": _secret,
        "secrets": _secret,
    }
)
