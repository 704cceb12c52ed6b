"""Embeddings without a model: words and parts of words hashed into a vector. Small, offline, always the same.

It finds notes that share words or spellings, not meanings: good for development and tests. For meanings name a
function of your own in the topology (`embed: module:function`).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

DIMENSIONS: Final = 256
_WORD: Final = re.compile(r"\w+")


def hashed(texts: Sequence[str]) -> list[list[float]]:
    """One unit vector of 256 dimensions per text (zero for one without words)."""
    return [_vector(text) for text in texts]


def _vector(text: str) -> list[float]:
    found = [0.0] * DIMENSIONS
    for feature, weight in _features(text.lower()):
        digest = hashlib.blake2b(feature.encode(), digest_size=4).digest()
        place = int.from_bytes(digest, "big")
        found[place % DIMENSIONS] += weight if place >> 31 else -weight
    length = math.sqrt(sum(part * part for part in found))
    return [part / length for part in found] if length else found


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Whole words, and their trigrams with less weight, so that `refund` and `refunds` are near."""
    for word in _WORD.findall(text):
        yield word, 1.0
        marked = f"<{word}>"
        for start in range(len(marked) - 2):
            yield f"3:{marked[start : start + 3]}", 0.3
