"""A local Kafka as strict as a cluster of one's company: TLS, SASL/SCRAM, and ACLs that allow nothing unsaid.

Two users are made with the data folder: `admin`, who may do everything, and `app`, who may do what ACLs say. Their
passwords are random and stand in files that only their owner can read. The certificate is made by the keytool of the
Java runtime; it signs itself, so it is its own authority (`ca.pem`).
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.errors import LocalKafkaError

ADMIN: Final = "admin"
APP: Final = "app"
MECHANISM: Final = "SCRAM-SHA-512"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"


@dataclass(frozen=True, slots=True)
class Security:
    """What a secure broker needs, in one folder."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate clients trust (PEM): `ssl.ca.location`."""
        return self.folder / "ca.pem"

    @property
    def keystore(self) -> Path:
        """The broker's key and certificate."""
        return self.folder / "broker.p12"

    def password_file(self, user: str) -> Path:
        """Where the password of a user stands."""
        return self.folder / f"{user}.password"

    def password(self, user: str) -> str:
        """The password of a user."""
        return self.password_file(user).read_text(encoding="utf-8").strip()

    def client(self, user: str) -> dict[str, str]:
        """How a client logs in as this user: lines for `kafka:` of a topology. No secret is in them."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": MECHANISM,
            "sasl.username": user,
            "sasl.password": f"file:{self.password_file(user)}",
            "ssl.ca.location": str(self.authority),
        }

    def make(self, java: Path) -> None:
        """Make passwords, key and certificate where there are none. Raises LocalKafkaError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for user in (ADMIN, APP, "keystore", "controller"):
            path = self.password_file(user)
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
        if not self.authority.exists():
            self.keystore.unlink(missing_ok=True)
            tool = keytool(java)
            identity = ["-dname", "CN=penstock local Kafka", "-ext", "san=ip:127.0.0.1,dns:localhost", "-ext", "bc:c"]
            self._keytool(tool, "-genkeypair", "-keyalg", "EC", "-validity", "3650", *identity)
            self._keytool(tool, "-exportcert", "-rfc", "-file", str(self.authority))

    def format_options(self) -> list[str]:
        """What makes the users when the data folder is formatted."""
        return [
            part
            for user in (ADMIN, APP)
            for part in ("--add-scram", f"{MECHANISM}=[name={user},password={self.password(user)}]")
        ]

    def properties(self, port: int, controller_port: int) -> dict[str, str]:
        """The broker's settings, over those of an open one. The controller's listener is for the broker alone."""
        inner = self.password("controller")
        broker = f'{_SCRAM} required username="{ADMIN}" password="{self.password(ADMIN)}";'
        controller = f'{_PLAIN} required username="controller" password="{inner}" user_controller="{inner}";'
        scram, plain = MECHANISM.lower(), "plain"
        return {
            "listeners": f"SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"SASL_SSL://127.0.0.1:{port}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            "sasl.mechanism.controller.protocol": "PLAIN",
            f"listener.name.sasl_ssl.{scram}.sasl.jaas.config": broker,
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            f"listener.name.controller.{plain}.sasl.jaas.config": controller,
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": str(self.keystore),
            "ssl.keystore.password": self.password("keystore"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:controller",
            "allow.everyone.if.no.acl.found": "false",
        }

    def _keytool(self, tool: Path, *command: str) -> None:
        store = ["-keystore", str(self.keystore), "-storetype", "PKCS12", "-alias", "broker"]
        secret = ["-storepass:file", str(self.password_file("keystore"))]
        done = subprocess.run([tool, *command, *store, *secret], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise LocalKafkaError(f"no certificate could be made: {(done.stdout + done.stderr).strip()}")


def keytool(java: Path) -> Path:
    """The keytool of this Java, else one on PATH. Raises LocalKafkaError."""
    beside = java.resolve().with_name("keytool")
    found = beside if beside.is_file() else shutil.which("keytool")
    if not found:
        raise LocalKafkaError("a certificate needs keytool, which this Java lacks", "pip install 'penstock[local]'")
    return Path(found)
