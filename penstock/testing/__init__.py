"""What tests of agents stand on: a topology in virtual time, and a scripted model server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.testing.connector_kit import SinkCase, SourceCase, Verdict, clean_stop, trial
    from penstock.testing.kit import NotSettled, TestApp, run_topology
    from penstock.testing.model_script import Behaviour, Rule, Script
    from penstock.testing.model_server import ModelServer

__all__ = [
    "Behaviour",
    "ModelServer",
    "NotSettled",
    "Rule",
    "Script",
    "SinkCase",
    "SourceCase",
    "TestApp",
    "Verdict",
    "clean_stop",
    "run_topology",
    "trial",
]

_FROM = {
    "connector_kit": ("SinkCase", "SourceCase", "Verdict", "clean_stop", "trial"),
    "kit": ("NotSettled", "TestApp", "run_topology"),
    "model_script": ("Behaviour", "Rule", "Script"),
    "model_server": ("ModelServer",),
}


def __getattr__(name: str) -> Any:
    """Each name is imported when asked for: pytest loads this package in every project that has it installed."""
    from importlib import import_module

    for module, names in _FROM.items():
        if name in names:
            return getattr(import_module(f"penstock.testing.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
