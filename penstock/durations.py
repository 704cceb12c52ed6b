"""Durations (`500ms 5s 10m 24h`, seconds as float inside), sizes (`64MiB`, bytes inside) and rates (`500/m`)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE: Final = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)")
LONGEST: Final = 366 * 86400.0  # a year; anything longer is a mistake in a topology


def seconds(value: float | str | timedelta) -> float:
    """Seconds of a number, a timedelta or a text such as "500ms" or "1h30m".

    Raises ValueError for what is negative, not finite, or no duration at all.
    """
    if isinstance(value, timedelta):
        found = value.total_seconds()
    elif isinstance(value, str):
        found = _parse(value)
    else:
        found = float(value)
    if not math.isfinite(found) or found < 0:
        raise ValueError(f"not a duration: {value!r} (a duration is not negative: 500ms, 5s, 10m, 24h)")
    return found


def _parse(text: str) -> float:
    parts = list(_DURATION.finditer(text.strip()))
    if not parts or "".join(part.group(0) for part in parts) != text.strip():
        raise ValueError(f"not a duration: {text!r} (write 500ms, 5s, 10m, 24h)")
    return sum(float(part.group(1)) * _UNITS[part.group(2)] for part in parts)


def spell(value: float) -> str:
    """A duration in its shortest exact spelling: 0.5 → "500ms", 90 → "90s", 3600 → "1h"."""
    millis = round(value * 1000)
    if millis == 0:
        return "0s"
    for unit, factor in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if millis % factor == 0:
            return f"{millis // factor}{unit}"
    return f"{millis}ms"


def age(value: float, between: str = "") -> str:
    """How old something is, in its two largest units: 75 → "1m15s"."""
    rest, parts = max(int(value), 0), []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        units, rest = divmod(rest, length)
        if units:
            parts.append(f"{units}{unit}")
    return between.join(parts[:2]) or "0s"


def size(value: int | str) -> int:
    """Bytes of a number or a text such as "64MiB". Raises ValueError for anything else or below zero."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(match.group(1)) * _SIZES[match.group(2)]
    raise ValueError(f"not a size: {value!r} (write 512KiB, 64MiB, 1GiB)")


def spell_size(value: float) -> str:
    """A size in its shortest exact spelling: 67108864 → "64MiB"."""
    for unit, factor in reversed(_SIZES.items()):
        if value >= factor and value % factor == 0:
            return f"{int(value) // factor}{unit}"
    return f"{int(value)}B"


_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(k|M)?\s*/\s*(s|m|h|d)")
_FACTORS: Final = {None: 1.0, "k": 1e3, "M": 1e6}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds."""

    count: float
    period: float

    def __str__(self) -> str:
        unit = next(name for name, length in _UNITS.items() if length == self.period)
        return f"{self.count / 1000:g}k/{unit}" if self.count >= 10_000 else f"{self.count:g}/{unit}"


def rate(text: str) -> Rate:
    """A rate of a text such as "500/m" or "200k/m". Raises ValueError for anything else, and for none at all."""
    match = _RATE.fullmatch(text.strip())
    if not match or float(match.group(1)) == 0:
        raise ValueError(f"not a rate: {text!r} (write 10/s, 500/m, 200k/m)")
    return Rate(float(match.group(1)) * _FACTORS[match.group(2)], _UNITS[match.group(3)])
