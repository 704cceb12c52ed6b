"""Notes in Chroma: a server, or a folder of one process. What must be exact stands in the ledger, see indexed.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from penstock.contracts import Note, Scope
from penstock.errors import MemoryUnavailable
from penstock.memory.drivers import driver
from penstock.memory.indexed import IndexedBackend
from penstock.memory.notes import cosine
from penstock.memory.opening import backend_of
from penstock.topology.memory_options import ChromaMemory
from penstock.topology.model import Topology

T = TypeVar("T")


def backend(options: ChromaMemory, topology: Topology) -> IndexedBackend:
    """The backend that the options ask for; its ledger goes by the name of this memory."""
    ledger = backend_of(replace(topology.memory[options.ledger], name=options.name), topology)
    folder = options.path or topology.directory / ".penstock" / "memory" / f"{options.name}.chroma"
    where = options.url.reveal() if options.url else str(folder)
    return IndexedBackend(ledger, ChromaIndex(where, options.collection or f"{topology.name}-{options.name}"))


class ChromaIndex:
    """VectorIndex with one collection for each length of vectors. The client blocks: it lives on a thread."""

    def __init__(self, where: str, collection: str) -> None:
        """`where` is an http(s) URL, or a folder."""
        self._where = where
        self._collection = collection
        self._client: Any = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """See VectorIndex."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="penstock-memory")
            await self._on_thread(lambda client: client.heartbeat())

    async def close(self) -> None:
        """See VectorIndex."""
        thread, self._thread, self._client = self._thread, None, None
        if thread is not None:
            thread.shutdown(wait=False)

    def _connect(self) -> Any:
        chroma = driver("chromadb", "chroma")
        settings = chroma.Settings(anonymized_telemetry=False)
        if not self._where.startswith(("http://", "https://")):
            return chroma.PersistentClient(self._where, settings=settings)
        place = urlsplit(self._where)
        return chroma.HttpClient(
            place.hostname or "localhost", place.port or 8000, ssl=place.scheme == "https", settings=settings
        )

    async def _on_thread(self, work: Callable[[Any], T]) -> T:
        def done() -> T:
            if self._client is None:
                self._client = self._connect()
            return work(self._client)

        if self._thread is None:
            raise MemoryUnavailable("the index in Chroma is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, done)
        except Exception as error:  # the client lets those of its transports through
            raise MemoryUnavailable(f"Chroma does not answer: {type(error).__name__}: {error}") from error

    def _for(self, client: Any, size: int) -> Any:
        space = {"hnsw": {"space": "cosine"}}
        name = f"{self._collection}-{size}"
        return client.get_or_create_collection(name, embedding_function=None, configuration=space)

    async def put(self, notes: Sequence[tuple[Scope, Note]]) -> None:
        """See VectorIndex."""

        def upsert(client: Any) -> None:
            for size in {len(note.vector) for _, note in notes}:
                these = [(scope, note) for scope, note in notes if len(note.vector) == size]
                self._for(client, size).upsert(
                    ids=[note.id for _, note in these],
                    embeddings=[list(note.vector) for _, note in these],
                    documents=[note.text for _, note in these],
                    metadatas=[_metadata(scope, note) for scope, note in these],
                )

        await self._on_thread(upsert)

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[str]:
        """See VectorIndex. All of the scope are compared here: Chroma's own search with a filter misses some.

        (Measured with 600 notes in 60 scopes: of three scopes it found 6, 7 and 9 of 10, whatever `ef_search` was.)
        """
        meant = {"$and": [*_of(scope), {"retired": False}]}

        def query(client: Any) -> list[str]:
            found = self._for(client, len(vector)).get(where=meant, include=["embeddings"])
            near = [cosine([float(part) for part in kept], vector) for kept in found["embeddings"]]
            ranked = sorted(zip(near, found["ids"], strict=True), reverse=True)
            return [note_id for _, note_id in ranked[:limit]]

        return await self._on_thread(query)

    async def forget(self, scope: Scope) -> None:
        """See VectorIndex."""

        def delete(client: Any) -> None:
            for one in client.list_collections():
                name = one if isinstance(one, str) else one.name
                if name.startswith(f"{self._collection}-"):
                    client.get_collection(name, embedding_function=None).delete(where={"$and": _of(scope)})

        await self._on_thread(delete)


def _metadata(scope: Scope, note: Note) -> dict[str, Any]:
    whose = {"tenant": scope.tenant, "agent": scope.agent, "conversation": scope.conversation}
    return {**whose, "importance": note.importance, "retired": note.retired}


def _of(scope: Scope) -> list[dict[str, Any]]:
    return [{"tenant": scope.tenant}, {"agent": scope.agent}, {"conversation": scope.conversation}]
