"""A schema registry: which number a schema has there, and the schema behind a number. Answers are kept for good.

Confluent's API, by Confluent's own client. Subjects are named by the registry's strategies. Asking blocks, where an
event waits for two seconds at most; a registry that did not answer is left alone for a while, so that its outage slows
nothing down.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from penstock.errors import MissingExtra, PenstockError, UnknownSchema
from penstock.schema.formats import Schema, parse_text
from penstock.topology.kafka_secrets import revealed
from penstock.topology.model import SchemaRegistry

TIMEOUT: Final = 2.0  # seconds of one question that an event waits for
PATIENT: Final = 20.0  # seconds of one that a person waits for (plan, apply, schemas); a registry may have just begun
PAUSE: Final = 5.0  # seconds before the same question, or a silent registry, is asked again
_GONE: Final = 404


class Registry:
    """One registry, asked as a topology's `schema_registry` section says. `client` is for tests; `now` in seconds."""

    def __init__(self, section: SchemaRegistry, client: Any = None, now: Callable[[], float] = time.monotonic) -> None:
        self.section = section
        self._given = client
        self._now = now
        self._lock = threading.Lock()
        self._numbers: dict[tuple[str, str], int] = {}
        self._schemas: dict[int | str, Schema] = {}
        self._refused: dict[int | str | tuple[str, str], tuple[float, UnknownSchema]] = {}
        self._silent_until = 0.0

    def subject(self, topic: str, schema: Schema) -> str:
        """Where the schema of this topic's values is registered. Raises PenstockError for one without a name."""
        if self.section.subjects == "topic":
            return f"{topic}-value"
        if not schema.record:
            what = "record name" if schema.language == "AVRO" else "title"
            hint = f"subjects: {self.section.subjects} names subjects by it; give it one, or use subjects: topic"
            raise PenstockError(f"the schema of event type {schema.type} has no {what}", hint)
        return schema.record if self.section.subjects == "record" else f"{topic}-{schema.record}"

    def id_of(self, topic: str, schema: Schema) -> int:
        """The number of a schema under the topic's subject. Asks once; raises UnknownSchema where it cannot be had."""
        at = (self.subject(topic, schema), schema.digest)
        found = self._numbers.get(at)
        if found is None:
            self._check_refused(at)
            hint = "`penstock apply` and `penstock schemas add` register it"
            unknown = UnknownSchema(f"the schema of {schema.type} is not registered under {at[0]}", hint)
            answer = self._ask(at, unknown, lambda client: client.lookup_schema(at[0], self.stated(schema)))
            found = self._numbers[at] = int(answer.schema_id)
            self._schemas.setdefault(found, schema)
        return found

    def by_id(self, number: int) -> Schema:
        """The schema with this number. Raises UnknownSchema, whose `fetch` asks the registry for it."""
        return self._schemas.get(number) or self._missing(number, lambda client: client.get_schema(number))

    def by_guid(self, guid: str) -> Schema:
        """The schema with this GUID. Raises UnknownSchema, whose `fetch` asks the registry for it."""
        return self._schemas.get(guid) or self._missing(guid, lambda client: client.get_schema_by_guid(guid))

    def ask(self, question: Callable[[Any], Any], timeout: float = PATIENT) -> Any:
        """The answer of the registry's client. Blocks, `timeout` seconds at most where the settings name none.

        Raises RegistryAway where there is none.
        """
        _load()
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            with self._client(timeout) as client:
                return question(client)
        except SchemaRegistryError as error:
            if error.http_status_code >= 500:
                raise RegistryAway(self.section.url, str(error)) from None
            raise
        except PenstockError:
            raise
        except Exception as error:  # the HTTP library's own errors: its name changes between releases
            raise RegistryAway(self.section.url, f"{type(error).__name__}: {error}") from error

    def ask_known(self, question: Callable[[Any], Any]) -> Any:
        """As `ask`; None where the registry does not know what is asked about. Raises PenstockError for a refusal."""
        _load()
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return self.ask(question)
        except SchemaRegistryError as error:
            if error.http_status_code == _GONE:
                return None
            raise PenstockError(
                f"the schema registry refuses: {error}", f"it was asked at {self.section.url}"
            ) from None

    def register(self, subject: str, language: str, text: str) -> int:
        """Register a schema and give its number; the same again changes nothing. Blocks; raises PenstockError."""
        _load()
        from confluent_kafka.schema_registry import Schema as Stated

        found = self.ask_known(lambda client: client.register_schema(subject, Stated(text, language)))
        return int(found)

    @staticmethod
    def stated(schema: Schema) -> Any:
        """The schema as the client wants it."""
        _load()
        from confluent_kafka.schema_registry import Schema as Stated

        return Stated(schema.text, schema.language)

    def _client(self, timeout: float) -> contextlib.AbstractContextManager[Any]:
        """Confluent's client, for one question: there are few, and no socket is left open or taken over a fork."""
        if self._given is not None:
            return contextlib.nullcontext(self._given)
        from confluent_kafka.schema_registry import SchemaRegistryClient

        section = self.section
        settings: dict[str, Any] = {
            "max.retries": 0,
            **revealed(section.settings),
            "url": section.url,
        }
        if section.username and section.password:
            settings["basic.auth.user.info"] = f"{section.username}:{section.password.reveal()}"
        try:
            settings["timeout"] = float(settings.get("timeout", timeout))
            found: contextlib.AbstractContextManager[Any] = SchemaRegistryClient(settings)
        except (ValueError, TypeError, OSError) as error:
            raise PenstockError(f"schema_registry cannot be used: {error}", "look at its settings") from None
        return found

    def _missing(self, name: int | str, question: Callable[[Any], Any]) -> Schema:
        self._check_refused(name)
        unknown = UnknownSchema(f"the value names schema {name}, which is not known here yet", "the registry is asked")
        unknown.fetch = lambda: self._fetch(name, question)
        raise unknown

    def _fetch(self, name: int | str, question: Callable[[Any], Any]) -> None:
        with self._lock:  # of many events with one new schema, one asks
            if name in self._schemas:
                return
            self._check_refused(name)
            unknown = UnknownSchema(f"the registry has no schema {name}", f"it was asked at {self.section.url}")
            answer = self._ask(name, unknown, question)
            try:
                language = answer.schema_type or "AVRO"
                self._schemas[name] = parse_text(f"schema {name}", language, answer.schema_str.encode())
            except ValueError as error:
                unusable = UnknownSchema(f"schema {name} of the registry cannot be used: {error}")
                raise self._refuse(name, unusable) from None

    def _ask(self, name: int | str | tuple[str, str], unknown: UnknownSchema, question: Callable[[Any], Any]) -> Any:
        _load()
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return self.ask(question, TIMEOUT)
        except RegistryAway as away:
            self._silent_until = self._now() + PAUSE
            raise UnknownSchema(away.message, away.hint) from away
        except SchemaRegistryError as error:
            if error.http_status_code == _GONE:
                raise self._refuse(name, unknown) from None
            said = UnknownSchema(f"the registry refuses to answer: {error}", f"it was asked at {self.section.url}")
            raise self._refuse(name, said) from error

    def _refuse(self, name: int | str | tuple[str, str], error: UnknownSchema) -> UnknownSchema:
        self._refused[name] = (self._now() + PAUSE, error)
        return error

    def _check_refused(self, name: int | str | tuple[str, str]) -> None:
        """Raise what was answered a moment ago, without asking again."""
        until, error = self._refused.get(name, (0.0, None))
        if error is not None and self._now() < until:
            raise UnknownSchema(error.message, error.hint)
        if self._now() < self._silent_until:
            raise UnknownSchema(f"the schema registry at {self.section.url} did not answer a moment ago")


def _load() -> None:
    """Raise MissingExtra where the client's library is not installed."""
    try:
        import confluent_kafka.schema_registry  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingExtra("a schema registry", "registry") from None


class RegistryAway(PenstockError):
    """The registry did not answer."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"the schema registry at {url} does not answer: {why}", "see that it runs and can be reached")
