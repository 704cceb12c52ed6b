"""Which of Kafka's client settings are secrets, and a map of settings that does not show them."""

from __future__ import annotations

from typing import Final

SECRETS: Final = frozenset(
    {
        "sasl.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
    }
)
FILE: Final = "file:"  # in front of a path: the secret is what the file holds


class KafkaSettings(dict[str, str]):
    """Client settings whose repr, and with it every log line and error that shows them, hides the secrets."""

    def __repr__(self) -> str:
        return repr({name: "***" if name in SECRETS else value for name, value in self.items()})
