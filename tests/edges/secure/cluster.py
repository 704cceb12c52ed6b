"""A Kafka with ACLs that is logged in to in three ways: TLS + SCRAM, TLS certificates (mTLS), TLS + OAUTHBEARER."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from penstock import local_kafka
from penstock.broker.kafka.keeper import KafkaBroker
from penstock.local_kafka import SHORT_LIVED, Security
from penstock.local_kafka.launch import free_port
from penstock.record import TopicPartition
from penstock.topology.kafka_secrets import revealed

CHECKED = """
name: {name}
topics:
  {name}.in: {{ partitions: 1, type: thing.come }}
  {name}.out: {{ partitions: 1, type: thing.checked }}
processors:
  check: {{ handler: "handlers:check", topics: [{name}.in], output: {name}.out }}
"""
PATIENCE = 90.0  # seconds for what takes a few on an idle machine
_EVERY = AclBindingFilter(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
)
_UNSECURED = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="
)


class Cluster:
    """One broker, and how each user reaches it. SCRAM knows the users admin and app, the other two any name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("scram", "mtls", "oauth", "controller")}
        kafka = folder / "kafka"
        started = local_kafka.start(
            kafka, self.ports["scram"], jvm=SHORT_LIVED, secure=True, overrides=self._listeners()
        )
        self.kafka = started
        found = local_kafka.security_of(kafka)
        assert found is not None
        self.security: Security = found
        self.admin = AdminClient(dict(revealed({"bootstrap.servers": started.bootstrap, **found.client("admin")})))

    def _listeners(self) -> dict[str, str]:
        ports = self.ports
        ours = {"SASL_SSL": ports["scram"], "MTLS": ports["mtls"], "OAUTH": ports["oauth"]}
        spelled = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ours.items())
        return {
            "listeners": f"{spelled},CONTROLLER://127.0.0.1:{ports['controller']}",
            "advertised.listeners": spelled,
            "controller.quorum.voters": f"1@127.0.0.1:{ports['controller']}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL,MTLS:SSL,OAUTH:SASL_SSL",
            "listener.name.mtls.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([a-z]+)$/$1/,DEFAULT",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": f'{_UNSECURED}"broker";',
        }

    def scram(self, user: str) -> dict[str, str]:
        return {"bootstrap.servers": self.kafka.bootstrap, **self.security.client(user)}

    def oauth(self, user: str) -> dict[str, str]:
        """A token that nobody signed, which the client makes itself."""
        return {
            **self._at("oauth"),
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "enable.sasl.oauthbearer.unsecure.jwt": "true",
            "sasl.oauthbearer.config": f"principal={user}",
        }

    def oidc(self, user: str, endpoint: str) -> dict[str, str]:
        """A token from an endpoint, for the client's credentials; the secret stands in a file."""
        secret = self.folder / f"{user}.oauth"
        secret.write_text("s3cret-of-the-client\n")
        return {
            **self._at("oauth"),
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": user,
            "sasl.oauthbearer.client.secret": f"file:{secret}",
            "sasl.oauthbearer.token.endpoint.url": endpoint,
        }

    def mtls(self, user: str) -> dict[str, str]:
        """A certificate signed by the cluster's authority."""
        certificate, key = self._certificate(user)
        return {
            **self._at("mtls"),
            "security.protocol": "SSL",
            "ssl.certificate.location": str(certificate),
            "ssl.key.location": str(key),
        }

    def _at(self, listener: str) -> dict[str, str]:
        authority = str(self.security.authority)
        return {"bootstrap.servers": f"127.0.0.1:{self.ports[listener]}", "ssl.ca.location": authority}

    def _certificate(self, user: str) -> tuple[Path, Path]:
        """Made by openssl; signed with the broker's own key, whose certificate is the authority that it trusts."""
        certificate, key, asked = (self.folder / f"{user}.{end}" for end in ("pem", "key", "csr"))
        if certificate.exists():
            return certificate, key
        store = ["-in", str(self.security.keystore), "-passin", f"file:{self.security.password_file('keystore')}"]
        signer = self.folder / "signer.key"
        _openssl("pkcs12", *store, "-nocerts", "-nodes", "-out", str(signer))
        new = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-subj", f"/CN={user}", "-out", str(asked)]
        _openssl("req", "-new", *new)
        by = ["-CA", str(self.security.authority), "-CAkey", str(signer), "-CAcreateserial", "-days", "2"]
        _openssl("x509", "-req", "-in", str(asked), *by, "-out", str(certificate))
        return certificate, key

    def grant(self, acls: list[dict[str, str]]) -> None:
        for future in self.admin.create_acls([_binding(acl) for acl in acls]).values():
            future.result(30)
        self._until_known(lambda known: {_binding(acl) for acl in acls} <= known)

    def revoke(self, acl: dict[str, str]) -> None:
        for future in self.admin.delete_acls([_filter(_binding(acl))]).values():
            assert len(future.result(30)) == 1
        self._until_known(lambda known: _binding(acl) not in known)

    def _until_known(self, holds: Callable[[set[AclBinding]], bool]) -> None:
        """What the controller has decided reaches the broker that judges by it a moment later."""
        deadline = time.monotonic() + 30
        while not holds(set(self.admin.describe_acls(_EVERY).result(30))):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    @contextmanager
    def without(self, acls: list[dict[str, str]], kind: str, name: str, operation: str) -> Iterator[None]:
        """Exactly these ACLs but one."""
        self.grant(acls)
        wanted = (kind, name, operation)
        (taken,) = [acl for acl in acls if (acl["kind"], acl["name"], acl["operation"]) == wanted]
        self.revoke(taken)
        try:
            yield
        finally:
            self.grant([taken])

    def count(self, topic: str, partitions: int) -> int:
        """How many records the topic has had."""

        async def ends() -> int:
            broker = KafkaBroker(self.scram("admin"))
            found = await broker.admin().ends([TopicPartition(topic, number) for number in range(partitions)])
            await broker.close()
            return sum(end.high for end in found.values())

        return asyncio.run(ends())

    @property
    def secrets(self) -> list[str]:
        known = [self.security.password(user) for user in ("admin", "app", "keystore", "controller")]
        return [*known, "s3cret-of-the-client"]


class Desk:
    """A topology in a folder of its own, for one user and one way to log in."""

    def __init__(self, folder: Path, text: str, kafka: dict[str, str], **files: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        settings = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in kafka.items())
        (folder / "topology.yaml").write_text(f"version: 1\nkafka:\n{settings}{text}")
        for name, content in files.items():
            (folder / f"{name}.py").write_text(content)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "penstock", *words, "-f", str(self.folder)]

    def penstock(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=90)

    def acls(self, *roles: str) -> list[dict[str, str]]:
        """`acls("--worker", "User:app")`: what is listed."""
        found: list[dict[str, str]] = json.loads(self.penstock("export", "acls", *roles, "-o", "json").stdout)
        return found

    def run(self, name: str) -> Running:
        return Running(self.command("run", name), self.folder / f"{name}-{time.monotonic_ns()}.log")


class Running:
    """A worker or connector as a process of its own, and what it has said."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def until(self, holds: Callable[[], bool], *, alive: bool = True) -> None:
        """Wait; fail with what it said where that takes too long, or where it ends before and was to live."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if self._process.poll() is not None and alive:
                pytest.fail(f"it ended with {self._process.returncode}: {self.said}")
            if time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"not within {PATIENCE:g} s; it said: {self.said}")
            time.sleep(0.3)

    def until_it_says(self, *words: str) -> str:
        """What it said, once all of these were among it; stopped then."""
        self.until(lambda: all(word in self.said for word in words), alive=False)
        self.stop()
        return self.said

    def stop(self) -> int:
        """End it as an operator would; returns how it ended."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


class TokenEndpoint(BaseHTTPRequestHandler):
    """Gives whoever shows credentials a token that says so, signed by nobody."""

    asked: list[str]

    def do_POST(self) -> None:
        kind, _, said = self.headers["authorization"].partition(" ")
        user, _, secret = base64.b64decode(said).decode().partition(":")
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        good = kind == "Basic" and secret == "s3cret-of-the-client" and "grant_type=client_credentials" in body
        type(self).asked.append(self.headers.get("user-agent", ""))
        now = int(time.time())
        parts = ({"alg": "none", "typ": "JWT"}, {"sub": user, "iat": now, "exp": now + 3600})
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        answer = json.dumps({"access_token": f"{token}.", "token_type": "Bearer", "expires_in": 3600}).encode()
        self.send_response(200 if good else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _binding(acl: dict[str, str]) -> AclBinding:
    kind = ResourceType.BROKER if acl["kind"] == "CLUSTER" else ResourceType[acl["kind"]]
    pattern, operation = ResourcePatternType[acl["pattern"]], AclOperation[acl["operation"]]
    return AclBinding(kind, acl["name"], pattern, acl["principal"], "*", operation, AclPermissionType.ALLOW)


def _filter(one: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        one.restype, one.name, one.resource_pattern_type, one.principal, "*", one.operation, one.permission_type
    )


def _openssl(*words: str) -> None:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
