"""How many tokens a turn takes in a model's window, estimated: no tokenizer fits every model."""

from __future__ import annotations

from typing import Any, Final

import orjson

_PER_TURN: Final = 4  # what chat formats add around each message
_BYTES_PER_TOKEN: Final = 4  # of English text; other languages take more tokens, JSON and code too


def estimated(turn: Any) -> int:
    """A quarter of its bytes, and 4 around it. For exact bounds name your model's tokenizer (`tokens:`)."""
    content = turn.get("content") if isinstance(turn, dict) else None
    rest = (
        {key: value for key, value in turn.items() if key not in {"role", "content"}} if content is not None else turn
    )
    size = len(content.encode() if isinstance(content, str) else orjson.dumps(content))
    return _PER_TURN + -(-(size + (len(orjson.dumps(rest)) if rest else 0)) // _BYTES_PER_TOKEN)
