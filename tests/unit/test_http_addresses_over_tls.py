"""Connecting to an address that was looked up here loses nothing of TLS: the certificate is held to the name."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from penstock.connectors.http_sink.addresses import client

MAKE = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with cert.pem and key.pem, good for `localhost` alone."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = [*MAKE.split(), "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    writer.close()


def get(host: str, certificate: Path) -> int:
    async def main() -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            async with client([host]) as http:
                return (await http.get(f"https://{host}:{port}/")).status_code

    return asyncio.run(main())


def test_the_name_is_what_the_certificate_must_be_for(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))

    assert get("localhost", certificate) == 204
    with pytest.raises(httpx.ConnectError, match="IP address mismatch"):
        get("127.0.0.1", certificate)


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    with pytest.raises(httpx.ConnectError, match="self-signed"):
        get("localhost", certificate)
