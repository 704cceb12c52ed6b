"""Which settings of the clients (Kafka's, the schema registry's) are secrets, and a map that does not show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from penstock.secret import Secret

SECRETS: Final = frozenset(
    {
        "sasl.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "basic.auth.user.info",
        "bearer.auth.token",
        "bearer.auth.client.secret",
    }
)
FILE: Final = "file:"  # in front of a path: the secret is what the file holds


class KafkaSettings(dict[str, str]):
    """Client settings whose repr, and with it every log line and error that shows them, hides the secrets."""

    def __repr__(self) -> str:
        return repr({name: "***" if name in SECRETS else value for name, value in self.items()})


def revealed(settings: Mapping[str, str]) -> KafkaSettings:
    """The settings with each `file:` secret read. Raises PenstockError for a file it cannot read."""
    found = KafkaSettings(settings)
    for name in SECRETS & settings.keys():
        if settings[name].startswith(FILE):
            found[name] = Secret(file=Path(settings[name].removeprefix(FILE))).reveal()
    return found
