"""Fetching the broker's jars: whole and checked, or not at all."""

from __future__ import annotations

import gc
import hashlib
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from penstock.errors import LocalKafkaError
from penstock.local_kafka import jars
from penstock.local_kafka.jars import Jar, fetch, locked_jars

CONTENT = {"one": b"first jar", "two": b"second jar"}
LOCKED = tuple(
    Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest(), len(content))
    for name, content in CONTENT.items()
)


class MavenRepository:
    """A Maven repository on loopback that serves CONTENT and counts what it was asked for."""

    def __init__(self):
        self.files = {f"/org/example/{name}/1.0/{name}-1.0.jar": content for name, content in CONTENT.items()}
        self.asked = []
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                repository.asked.append(self.path)
                content = repository.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    pytest.importorskip("jgo")
    found = MavenRepository()
    monkeypatch.setattr(jars, "locked_jars", lambda: LOCKED)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setenv("PENSTOCK_MAVEN_REPOSITORY", found.url + "/")
    yield found
    found.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # jgo leaves the answer open that says "not found"
        gc.collect()


def jar_requests(repository):
    return [path for path in repository.asked if path.endswith(".jar")]


def test_the_lock_pins_a_kafka_with_a_logger():
    names = {jar.name for jar in locked_jars()}
    assert f"kafka_2.13-{jars.KAFKA_VERSION}.jar" in names
    assert any(name.startswith("slf4j-simple-") for name in names)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in locked_jars())


def test_jars_are_fetched_once(repository):
    heard = []
    paths = fetch(heard.append)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert "2 jars" in heard[0]
    asked = len(repository.asked)
    assert fetch(heard.append) == paths
    assert len(repository.asked) == asked
    assert not list(paths[0].parent.glob("incoming-*"))


def test_a_damaged_jar_is_refused_and_the_next_fetch_goes_on(repository):
    good = repository.files["/org/example/two/1.0/two-1.0.jar"]
    repository.files["/org/example/two/1.0/two-1.0.jar"] = b"not the jar"
    with pytest.raises(LocalKafkaError, match=r"two-1\.0\.jar .* checksum"):
        fetch()
    repository.files["/org/example/two/1.0/two-1.0.jar"] = good
    assert [path.read_bytes() for path in fetch()] == list(CONTENT.values())


def test_a_jar_that_cannot_be_had_is_named_with_a_way_out(repository):
    del repository.files["/org/example/one/1.0/one-1.0.jar"]
    with pytest.raises(LocalKafkaError, match=r"one-1\.0\.jar .*PENSTOCK_MAVEN_REPOSITORY"):
        fetch()


def test_nothing_is_written_into_the_users_maven_repository(repository, tmp_path):
    fetch()
    assert not (tmp_path / "m2").exists()


def test_whole_jars_of_the_users_maven_repository_are_taken_and_broken_ones_are_not(repository, tmp_path):
    for name, content in {"one": CONTENT["one"], "two": b"half a j"}.items():
        path = tmp_path / "m2" / "org" / "example" / name / "1.0" / f"{name}-1.0.jar"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    assert [path.read_bytes() for path in fetch()] == list(CONTENT.values())
    assert jar_requests(repository) == ["/org/example/two/1.0/two-1.0.jar"]


def test_without_jgo_it_says_what_to_install(repository, monkeypatch):
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(LocalKafkaError, match=r"penstock\[local\]"):
        fetch()


def test_the_home_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jars.home() == tmp_path / "penstock"
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "elsewhere"))
    assert jars.home() == tmp_path / "elsewhere"
