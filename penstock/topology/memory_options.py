"""What a memory can be told: what all memories share, and one set of options for each `type`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from penstock.secret import Secret
from penstock.topology.option import option


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """One memory. `memory` is the word that chooses it as `type`."""

    memory: ClassVar[str] = ""
    implementation: ClassVar[str] = ""  # module:attribute of its opener
    extra: ClassVar[str] = ""  # the extra to install for it
    transactional: ClassVar[bool] = True  # can apply a run in one step by itself, and so be a ledger

    name: str = ""
    type: str = option("text", "A type listed on this page.", example="sqlite")
    embed: str = option(
        "text",
        "module:function that turns a list of texts into a list of vectors (it may be async).",
        default="penstock.memory.embedding:hashed",
    )
    tokens: str = option(
        "text", "module:function that counts the tokens of a turn.", default="penstock.memory.tokens:estimated"
    )
    half_life: float = option(
        "duration", "A note this old counts half in a search.", default=2_592_000.0, least=1, most=31_536_000
    )
    fence_retention: float = option(
        "duration",
        "How long a run is known as applied, with what it emitted; longer than any redelivery.",
        default=2_592_000.0,
        least=3600,
    )


@dataclass(frozen=True, kw_only=True)
class SqliteMemory(MemoryOptions):
    """One file on one host, shared by all processes there; vectors by sqlite-vec."""

    memory: ClassVar[str] = "sqlite"
    implementation: ClassVar[str] = "penstock.memory.sqlite:backend"
    extra: ClassVar[str] = "sqlite"

    path: Path | None = option(
        "path", "The file; absent: `.penstock/memory/<name>.db`.", default=None, example="data/memory.db"
    )


@dataclass(frozen=True, kw_only=True)
class RedisMemory(MemoryOptions):
    """Redis or Valkey; notes are compared in the worker."""

    memory: ClassVar[str] = "redis"
    implementation: ClassVar[str] = "penstock.memory.redis:backend"
    extra: ClassVar[str] = "redis"

    url: Secret = option("secret", "Where it is, and as whom.", example="${REDIS_URL:-redis://localhost:6379/0}")
    prefix: str | None = option(
        "text", "Of all its keys; absent: `penstock:<topology>:<name>`.", default=None, example="desk"
    )


@dataclass(frozen=True, kw_only=True)
class PostgresMemory(MemoryOptions):
    """PostgreSQL with pgvector: the durable, shared one."""

    memory: ClassVar[str] = "postgres"
    implementation: ClassVar[str] = "penstock.memory.postgres:backend"
    extra: ClassVar[str] = "postgres"

    url: Secret = option("secret", "Where it is, and as whom.", example="${MEMORY_URL}")
    schema: str | None = option(
        "name", "Its own schema; absent: `penstock_<topology>_<name>`.", default=None, example="agent_memory"
    )


@dataclass(frozen=True, kw_only=True)
class LedgerMemory(MemoryOptions):
    """What memories share whose notes are found elsewhere, and kept in a ledger."""

    transactional: ClassVar[bool] = False

    ledger: str = option(
        "text",
        "The memory (sqlite, redis or postgres) whose settings the ledger takes: all but the search is kept there.",
        example="ledger",
    )


@dataclass(frozen=True, kw_only=True)
class IndexedMemory(LedgerMemory):
    """What memories share whose notes are found by a vector store."""

    path: Path | None = option(
        "path", "A folder, of one worker process; without `url`. Absent: under `.penstock/memory`.", default=None
    )
    collection: str | None = option(
        "text", "Prefix of its collections; absent: `<topology>-<name>`.", default=None, example="desk-notes"
    )


@dataclass(frozen=True, kw_only=True)
class QdrantMemory(IndexedMemory):
    """Notes found by Qdrant; everything that must be exact stands in a ledger."""

    memory: ClassVar[str] = "qdrant"
    implementation: ClassVar[str] = "penstock.memory.qdrant:backend"
    extra: ClassVar[str] = "qdrant"

    url: Secret | None = option("secret", "The server.", default=None, example="${QDRANT_URL}")
    api_key: Secret | None = option("secret", "Its key.", default=None, example="${QDRANT_API_KEY}")


@dataclass(frozen=True, kw_only=True)
class ChromaMemory(IndexedMemory):
    """Notes found by Chroma; everything that must be exact stands in a ledger."""

    memory: ClassVar[str] = "chroma"
    implementation: ClassVar[str] = "penstock.memory.chroma:backend"
    extra: ClassVar[str] = "chroma"

    url: Secret | None = option("secret", "The server.", default=None, example="${CHROMA_URL}")


@dataclass(frozen=True, kw_only=True)
class OmniMemory(LedgerMemory):
    """Notes in the vector store of OmniMemory, as its environment names it; what must be exact stands in a ledger."""

    memory: ClassVar[str] = "omnimemory"
    implementation: ClassVar[str] = "penstock.memory.omnimemory:backend"
    extra: ClassVar[str] = "omnimemory"

    app: str | None = option(
        "text",
        "Its `app_id`, less the length of the vectors: `<app>-1536`. Absent: `<topology>-<name>`.",
        default=None,
        example="desk",
    )


MEMORIES: Final[Mapping[str, type[MemoryOptions]]] = MappingProxyType(
    {
        options.memory: options
        for options in (SqliteMemory, RedisMemory, PostgresMemory, QdrantMemory, ChromaMemory, OmniMemory)
    }
)
