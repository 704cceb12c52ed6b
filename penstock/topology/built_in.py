"""The connectors that come with penstock: what `type` may say, and where each type's options are declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from penstock.topology.connector_options import ConnectorOptions
from penstock.topology.http_options import HttpSinkOptions, HttpSourceOptions

Load: TypeAlias = Callable[[str, Path], type[ConnectorOptions]]  # of `module:attribute`; raises PenstockError

BUILT_IN: Final[Mapping[str, type[ConnectorOptions]]] = MappingProxyType(
    {options.connector: options for options in (HttpSourceOptions, HttpSinkOptions)}
)
