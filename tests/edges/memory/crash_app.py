"""What the crash play of memories runs: an app that talks, and the server of each backend."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EDGES = str(Path(__file__).parents[1])
BACKENDS = {
    "sqlite": "{ type: sqlite }",
    "redis": "{ type: redis, url: '${MEMORY_URL}' }",
    "postgres": "{ type: postgres, url: '${MEMORY_URL}' }",
    "qdrant": "{ type: qdrant, ledger: ledger }\n  ledger: { type: sqlite }",
    "chroma": "{ type: chroma, url: '${MEMORY_URL}', ledger: ledger }\n  ledger: { type: sqlite }",
    "omnimemory": "{ type: omnimemory, ledger: ledger }\n  ledger: { type: sqlite }",
}
APP = """version: 1
name: {name}
kafka: {{ bootstrap.servers: "{bootstrap}" }}
topics:
  {name}.said: {{ partitions: 12, type: said }}
  {name}.answered: {{ partitions: 12, type: answered }}
processors:
  talk:
    handler: talk:talk
    topics: [{name}.said]
    output: {name}.answered
    memory: main
    concurrency: {concurrency}
    failover: 6s
    retry: {{ preserve_order: true, max_attempts: 20, backoff: {{ initial: 1s, multiplier: 1, max: 1s }} }}
memory:
  main: {memory}
"""
HANDLER = '''
"""Answers a turn after a while, as a model would; says when it begins and when it ends."""
import asyncio, json, os, random
def say(what, event):
    file = os.open(os.environ["CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    at = event.position
    told = [what, os.getpid(), event.key, event.data["turn"], at.partition, at.offset]
    os.write(file, json.dumps(told).encode() + b"\\n")
    os.close(file)
async def talk(event, ctx):
    say("began", event)
    turns = await ctx.memory.history()
    await asyncio.sleep(random.uniform(0.05, 0.5))
    await ctx.memory.append({"turn": event.data["turn"], "before": len(turns)})
    await ctx.memory.remember("turn {} of {}".format(event.data["turn"], event.key))
    say("ended", event)
    return {"turn": event.data["turn"], "words": random.random()}
'''


def missing(backend: str) -> str:
    """What this backend needs and is not here; '' where it can be played."""
    needed = {"sqlite": "apsw", "postgres": "psycopg_pool", "qdrant": "qdrant_client", "chroma": "chromadb"}
    module = needed.get(backend, backend)
    if importlib.util.find_spec(module) is None:
        return f"there is no module {module!r}: pip install 'penstock[{backend}]'"
    made = _servers(Path()).get(backend)
    return made().missing() if made else ""


def _servers(folder: Path) -> dict[str, Callable[[], Any]]:
    if EDGES not in sys.path:
        sys.path.insert(0, EDGES)
    from chroma_server import ChromaServer
    from pgvector_server import PgvectorServer
    from redis_server import RedisServer

    chroma = partial(ChromaServer, folder)
    return {"redis": partial(RedisServer, folder), "postgres": PgvectorServer, "chroma": chroma, "omnimemory": chroma}


def environ(backend: str, url: str) -> dict[str, str]:
    """What OmniMemory reads from the environment: where its store is. Nothing for the others."""
    if backend != "omnimemory":
        return {}
    place = urlsplit(url)
    return {
        "OMNI_MEMORY_PROVIDER": "chromadb-remote",
        "CHROMA_HOST": f"{place.hostname}",
        "CHROMA_PORT": f"{place.port}",
        "LOG_LEVEL": "WARNING",  # else its SDK says five lines a note
    }


@contextmanager
def server(backend: str, folder: Path) -> Iterator[str]:
    """The URL of the backend's server; '' for one that has none."""
    servers = _servers(folder)
    if backend not in servers:
        yield ""
        return
    started = servers[backend]()
    try:
        yield started.start()
    finally:
        started.stop()
