"""Notes in the vector store of an OmniMemory installation, by its SDK. What must be exact stands in the ledger.

OmniMemory's own writing is not used: it returns before it has written, and only logs what failed (see docs/memory.md).
Its store is: notes stand there as its memories do (app, user, session, `status: active`), so that its queries find
them. The store is the one its own environment names: OMNI_MEMORY_PROVIDER, CHROMA_HOST, QDRANT_HOST, POSTGRES_URI ...

The SDK answers False, or nothing, where the store is away. So a word of our own stands in each store, and whoever finds
nothing looks for it: without it the store is away, and not empty.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

from penstock.contracts import Note, Scope
from penstock.errors import MemoryFailed, MemoryUnavailable
from penstock.memory.drivers import driver
from penstock.memory.indexed import IndexedBackend
from penstock.memory.opening import backend_of
from penstock.topology.memory_options import OmniMemory
from penstock.topology.model import Topology

PAGE: Final = 1000  # notes looked at in one answer
_WORD: Final = "00000000-0000-5000-8000-000000000000"  # an id that every store takes
_ENOUGH: Final = 100  # notes asked for at least: its search is approximate where it filters


def backend(options: OmniMemory, topology: Topology) -> IndexedBackend:
    """The backend that the options ask for; its ledger goes by the name of this memory."""
    ledger = backend_of(replace(topology.memory[options.ledger], name=options.name), topology)
    return IndexedBackend(ledger, OmniMemoryIndex(options.app or f"{topology.name}-{options.name}"))


class OmniMemoryIndex:
    """VectorIndex. An app (for OmniMemory: a collection) for each length of vectors, `<app>-<length>`.

    The lengths in use stand in a collection of their own, `<app>-lengths`, with the word that tells it is there.
    """

    def __init__(self, app: str) -> None:
        self._app = app
        self._lengths = f"{app}-lengths"
        self._store: Any = None
        self._known: set[int] = set()

    async def open(self) -> None:
        """See VectorIndex."""
        if self._store is not None:
            return
        factories = driver("omnimemory.memory_management.vector_db_factory", "omnimemory")
        no_model = SimpleNamespace(embedding_config={})  # vectors are made by `embed`, never by the SDK
        store = await factories.VectorDBFactoryRegistry.create_from_env(no_model)
        if store is None or not store.enabled:
            raise MemoryFailed(
                "OmniMemory has no vector store", "set OMNI_MEMORY_PROVIDER and what it needs, as for OmniMemory itself"
            )
        self._store = store
        await self._write(self._lengths, _WORD, "penstock", (1.0,), {"length": 0})

    async def close(self) -> None:
        """See VectorIndex."""
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    async def put(self, notes: Sequence[tuple[Scope, Note]]) -> None:
        """See VectorIndex."""
        for scope, note in notes:
            length = len(note.vector)
            if length not in self._known:
                place = f"00000000-0000-5000-8000-{length:012}"
                await self._write(self._lengths, place, "penstock", (1.0,), {"length": length})
                self._known.add(length)
            app = f"{self._app}-{length}"
            await self._write(app, note.id, note.text, note.vector, _metadata(app, scope, note))

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[str]:
        """See VectorIndex."""
        wanted = {**_of(scope), "status": "active"}
        return (await self._found(f"{self._app}-{len(vector)}", vector, max(limit, _ENOUGH), wanted))[:limit]

    async def forget(self, scope: Scope) -> None:
        """See VectorIndex."""
        for metadata in await self._asked(self._lengths, (1.0,), PAGE, {}, "metadatas"):
            length = int(metadata["length"])
            app, anywhere = f"{self._app}-{length}", (1.0, *(0.0 for _ in range(length - 1)))
            while length and (ids := await self._found(app, anywhere, PAGE, _of(scope))):
                for note_id in ids:
                    await self._certain(self._store.delete_from_collection(app, note_id), "forget a note")

    async def _write(self, app: str, place: str, text: str, vector: Sequence[float], metadata: dict[str, Any]) -> None:
        """In place of another that has this id: some of its stores keep the old one where an id comes again.

        The same one stays: while one worker catches up, another puts its notes in, and either may die after a delete.
        """
        there = await self._here().query_by_id(app, place)
        if there is not None:
            kept = there["metadata"]
            if there["document"] == text and all(kept.get(name) == value for name, value in metadata.items()):
                return
            await self._certain(self._store.delete_from_collection(app, place), "make room for a note")
        await self._certain(self._store.add_to_collection(app, place, text, list(vector), metadata), "take a note")

    async def _found(self, app: str, vector: Sequence[float], count: int, wanted: dict[str, Any]) -> list[str]:
        return [str(one) for one in await self._asked(app, vector, count, wanted, "ids")]

    async def _asked(
        self, app: str, vector: Sequence[float], count: int, wanted: dict[str, Any], what: str
    ) -> list[Any]:
        answer = await self._here().query_by_embedding(app, list(vector), count, wanted)
        found = list(answer[what])
        if not found and await self._store.query_by_id(self._lengths, _WORD) is None:
            raise MemoryUnavailable("the vector store of OmniMemory does not answer")
        return found

    def _here(self) -> Any:
        if self._store is None:
            raise MemoryUnavailable("the index in OmniMemory is closed")
        return self._store

    async def _certain(self, asked: Awaitable[bool], what: str) -> None:
        if not await asked:
            raise MemoryUnavailable(f"the vector store of OmniMemory did not {what}; its log says why")


def _metadata(app: str, scope: Scope, note: Note) -> dict[str, Any]:
    return {
        **_of(scope),
        "document_id": note.id,
        "app_id": app,
        "user_id": scope.tenant,
        "session_id": scope.conversation,
        "status": "retired" if note.retired else "active",
        "created_at": datetime.fromtimestamp(note.created, UTC).isoformat(),
        "updated_at": datetime.fromtimestamp(note.updated, UTC).isoformat(),
        "importance": note.importance,
    }


def _of(scope: Scope) -> dict[str, Any]:
    return {"tenant": scope.tenant, "agent": scope.agent, "conversation": scope.conversation}
