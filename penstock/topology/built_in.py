"""The connectors that come with penstock: what `type` may say, and where each type's options are declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from penstock.topology.connector_options import ConnectorOptions
from penstock.topology.cron_options import CronOptions
from penstock.topology.file_options import FileSinkOptions, FileSourceOptions
from penstock.topology.http_options import HttpSinkOptions, HttpSourceOptions
from penstock.topology.postgres_options import PostgresOutboxOptions, PostgresSinkOptions
from penstock.topology.redis_options import RedisStreamOptions

Load: TypeAlias = Callable[[str, Path], type[ConnectorOptions]]  # of `module:attribute`; raises PenstockError

_ALL: Final[tuple[type[ConnectorOptions], ...]] = (
    HttpSourceOptions,
    HttpSinkOptions,
    CronOptions,
    FileSourceOptions,
    FileSinkOptions,
    RedisStreamOptions,
    PostgresOutboxOptions,
    PostgresSinkOptions,
)
BUILT_IN: Final[Mapping[str, type[ConnectorOptions]]] = MappingProxyType({one.connector: one for one in _ALL})
