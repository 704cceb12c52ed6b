"""Notes in Qdrant: a server, or a folder of one process. What must be exact stands in the ledger, see indexed.py."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import NAMESPACE_URL, uuid5

from penstock.contracts import Note, Scope
from penstock.errors import MemoryUnavailable
from penstock.memory.drivers import driver
from penstock.memory.indexed import IndexedBackend
from penstock.memory.opening import backend_of
from penstock.topology.memory_options import QdrantMemory
from penstock.topology.model import Topology

T = TypeVar("T")
_TIMEOUT: Final = 10  # seconds
_PARTS: Final = ("tenant", "agent", "conversation")


def backend(options: QdrantMemory, topology: Topology) -> IndexedBackend:
    """The backend that the options ask for; its ledger goes by the name of this memory."""
    ledger = backend_of(replace(topology.memory[options.ledger], name=options.name), topology)
    where: dict[str, Any]
    if options.url is not None:
        where = {"url": options.url.reveal(), "api_key": options.api_key.reveal() if options.api_key else None}
        where["timeout"] = _TIMEOUT
    else:
        folder = options.path or topology.directory / ".penstock" / "memory" / f"{options.name}.qdrant"
        where = {"path": str(folder)}
    return IndexedBackend(ledger, QdrantIndex(where, options.collection or f"{topology.name}-{options.name}"))


class QdrantIndex:
    """VectorIndex with one collection for each length of vectors."""

    def __init__(self, where: dict[str, Any], collection: str) -> None:
        """`where` is what the client is made with: `path`, or `url` and what goes with it."""
        self._where = where
        self._collection = collection
        self._client: Any = None
        self._made: set[str] = set()

    async def open(self) -> None:
        """See VectorIndex."""
        if self._client is not None:
            return
        self._client = self._connect()
        await self._ask(self._client.collection_exists(self._collection))

    def _connect(self) -> Any:
        if "path" in self._where:
            Path(self._where["path"]).mkdir(parents=True, exist_ok=True)
        try:
            return driver("qdrant_client", "qdrant").AsyncQdrantClient(**self._where)
        except RuntimeError as error:  # a folder is one process's
            raise MemoryUnavailable(f"Qdrant's folder is in use: {error}", "several workers need a server") from error

    async def close(self) -> None:
        """See VectorIndex."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ask(self, question: Awaitable[T]) -> T:
        try:
            return await question
        except (AssertionError, TypeError):
            raise
        except Exception as error:  # the client lets those of its transports through
            raise MemoryUnavailable(f"Qdrant does not answer: {type(error).__name__}: {error}") from error

    async def put(self, notes: Sequence[tuple[Scope, Note]]) -> None:
        """See VectorIndex."""
        models = driver("qdrant_client", "qdrant").models
        for size in {len(note.vector) for _, note in notes}:
            points = [
                models.PointStruct(id=_point(note.id), vector=list(note.vector), payload=_payload(scope, note))
                for scope, note in notes
                if len(note.vector) == size
            ]
            await self._ask(self._client.upsert(await self._for(size), points, wait=True))

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[str]:
        """See VectorIndex."""
        name = f"{self._collection}-{len(vector)}"
        if not await self._ask(self._client.collection_exists(name)):
            return []
        models = driver("qdrant_client", "qdrant").models
        gone = models.FieldCondition(key="retired", match=models.MatchValue(value=True))
        meant = models.Filter(must=_of(scope), must_not=[gone])
        found = await self._ask(
            self._client.query_points(name, query=list(vector), query_filter=meant, limit=limit, with_payload=["id"])
        )
        return [point.payload["id"] for point in found.points]

    async def forget(self, scope: Scope) -> None:
        """See VectorIndex."""
        models = driver("qdrant_client", "qdrant").models
        listed = await self._ask(self._client.get_collections())
        for one in listed.collections:
            if one.name.startswith(f"{self._collection}-"):
                selector = models.FilterSelector(filter=models.Filter(must=_of(scope)))
                await self._ask(self._client.delete(one.name, points_selector=selector, wait=True))

    async def _for(self, size: int) -> str:
        name = f"{self._collection}-{size}"
        if name not in self._made:
            models = driver("qdrant_client", "qdrant").models
            if not await self._ask(self._client.collection_exists(name)):
                config = models.VectorParams(size=size, distance=models.Distance.COSINE)
                await self._ask(self._client.create_collection(name, vectors_config=config))
            self._made.add(name)
        return name


def _point(note_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, note_id))


def _payload(scope: Scope, note: Note) -> dict[str, Any]:
    whose = {part: getattr(scope, part) for part in _PARTS}
    return {**whose, "id": note.id, "text": note.text, "importance": note.importance, "retired": note.retired}


def _of(scope: Scope) -> list[Any]:
    models = driver("qdrant_client", "qdrant").models
    return [models.FieldCondition(key=part, match=models.MatchValue(value=getattr(scope, part))) for part in _PARTS]
