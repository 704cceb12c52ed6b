"""The real registry, with GUIDs: Apicurio has none, so what stands before it adds them to its answers.

Each schema's GUID is made of its number; `/schemas/guids/GUID` is answered with what the registry says of that number.
All else is the registry's own.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from serving import served

_SPACE = uuid.UUID("5f1c1a52-0000-5d0e-9d0f-000000000000")
_MOST = 1000  # numbers that a GUID is looked for among


def guid_of(number: int) -> str:
    return str(uuid.uuid5(_SPACE, str(number)))


class _Before(ThreadingHTTPServer):
    daemon_threads = True
    registry = ""


class _Answer(BaseHTTPRequestHandler):
    server: _Before

    def do_GET(self) -> None:
        path, _, question = self.path.partition("?")
        wanted = path.rpartition("/schemas/guids/")[2] if "/schemas/guids/" in path else ""
        if wanted:
            number = next((one for one in range(_MOST) if guid_of(one) == wanted), _MOST)
            path = f"/schemas/ids/{number}"
        self._ask(f"{path}?{question}" if question else path, None, wanted)

    def do_POST(self) -> None:
        self._ask(self.path, self.rfile.read(int(self.headers["content-length"])), "")

    def _ask(self, path: str, body: bytes | None, guid: str) -> None:
        kind = {"content-type": "application/vnd.schemaregistry.v1+json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.server.registry + path, body, kind)) as answer:
                status, said = answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            status, said = error.code, json.loads(error.read() or b"{}")
        if isinstance(said, dict) and (guid or "id" in said):
            said["guid"] = guid or guid_of(said["id"])
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", kind["content-type"])
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def with_guids(registry: str) -> Iterator[str]:
    """The address of the registry with GUIDs, until the block ends."""
    server = _Before(("127.0.0.1", 0), _Answer)
    server.registry = registry
    with served(server) as address:
        yield address
