"""Connectors as code: from a `type` to the class that runs, and from its options to an instance."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from penstock.contracts import Source
from penstock.engine.handler import import_attribute
from penstock.errors import HandlerError
from penstock.topology.connector_options import ConnectorOptions, SinkOptions, SourceOptions


def load_options(spec: str, directory: Path) -> type[ConnectorOptions]:
    """The options of the app's own connector `module:attribute`. Raises HandlerError."""
    found = import_attribute(spec, directory)
    options = getattr(found, "Options", None)
    if isinstance(options, type) and issubclass(options, SourceOptions | SinkOptions):
        return options
    raise HandlerError(
        f"connector {spec!r} has no options",
        "give the class `Options`: a dataclass that is a SourceOptions or SinkOptions",
    )


def make(options: ConnectorOptions, directory: Path) -> Any:
    """An instance of the connector, given its options. Raises HandlerError: no such class, or an extra is missing."""
    if options.implementation:
        module, _, attribute = options.implementation.partition(":")
        made = getattr(importlib.import_module(module), attribute)
    else:
        made = import_attribute(options.type, directory)
    try:
        return made(options)
    except ModuleNotFoundError as error:
        if not options.extra:
            raise
        raise HandlerError(
            f"connector {options.name!r} needs the package {error.name!r}", f"pip install 'penstock[{options.extra}]'"
        ) from error


def make_source(options: SourceOptions, directory: Path) -> Source:
    """The source of these options. Raises HandlerError where it is none."""
    made: Source = make(options, directory)
    if not callable(getattr(made, "run", None)):
        raise HandlerError(f"connector {options.name!r} is no source", "give its class `async def run(self, outlet)`")
    return made
