"""The model of the demonstration: two seconds an answer, failing where the play wants it to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from demo.tickets import BROKEN
from penstock.testing.model_server import Behaviour, ModelServer, Rule, Script
from processors import scripted_model, triage

LATENCY: Final = 2.0
_TO_TRIAGE: Final = triage.INSTRUCTIONS[:40]  # the rules are for triage's prompts alone
_FAILS_ONCE: Final = Rule(system=_TO_TRIAGE, share=0.05, times=1, then=Behaviour(status=500))
_REFUSES: Final = Rule(
    match=BROKEN,
    system=_TO_TRIAGE,
    then=Behaviour(status=422, answer=f"content filter: '{BROKEN}' is not allowed"),
)


def fine() -> ModelServer:
    """A server that answers by the desk's own rules, two seconds later."""
    return ModelServer(Script(answer=scripted_model.answer), latency=LATENCY)


def spoil(server: ModelServer) -> None:
    """From now on one prompt of twenty fails once, and tickets with certain words are refused every time."""
    server.script = Script((_REFUSES, _FAILS_ONCE), scripted_model.answer)


def mend(server: ModelServer) -> None:
    """Nothing fails any more."""
    server.script = Script(answer=scripted_model.answer)


@contextmanager
def asked_at(url: str) -> Iterator[None]:
    """Let the agents of this process and its children ask the model at `url`; a key set for another stays unsent."""
    names: dict[str, str | None] = {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": None,
        "OPENAI_MODEL": "scripted",
        "NO_PROXY": "127.0.0.1",
    }
    before = {name: os.environ.get(name) for name in names}
    try:
        _set(names)
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
