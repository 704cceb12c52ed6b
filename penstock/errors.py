"""Every error penstock raises, as one tree; each message says what happened and what to do.

PenstockError
├── TopologyError          the topology file cannot be used; carries every problem found
├── MissingExtra           an optional library is not installed
├── HandlerError           a handler cannot be imported or has the wrong shape
├── CodecError             data and schema do not agree
│   ├── Undecodable        bytes that no reader will ever open
│   ├── UnknownSchema      a schema that is not here yet (a producer was deployed before its readers)
│   └── Unencodable        data that does not fit its schema, or is no JSON
├── BrokerError            the broker said no, or says nothing
│   ├── BrokerUnavailable  not reachable, or not in time: passing
│   ├── TopicMissing       a topic that is needed does not exist
│   ├── SendFailed         a record was not acknowledged, for a passing reason: send it again
│   ├── SendRefused        a record will never be acknowledged: too large, invalid, not authorised
│   ├── GroupConflict      the group has members of another protocol
│   └── ProducerFatal      the producer cannot go on; the process must end
├── MemoryFailed           a memory said no, or says nothing
│   ├── MemoryUnavailable  not reachable, or not in time: passing
│   └── MemoryConflict     another run has changed what this one had read: it runs again
└── LocalKafkaError        the embedded Kafka could not be fetched, started or stopped
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


class PenstockError(Exception):
    """The root of the tree. `hint` says what to do about it, where there is something to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file: where it stands (1-based line and column), what it is, what to do."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"


class TopologyError(PenstockError):
    """The topology file cannot be used. `problems` holds all that was found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MissingExtra(PenstockError):
    """An optional library is not installed; the hint names the extra that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs a library that is not installed", f"pip install 'penstock[{extra}]'")


class HandlerError(PenstockError):
    """A handler cannot be imported or has the wrong shape; the cause is the user's own exception."""


class HandlerStuck(HandlerError):
    """A plain `def` handler went on past its timeout and the grace; a thread cannot be stopped, its process can."""


class CodecError(PenstockError):
    """Data and schema do not agree."""


class Undecodable(CodecError):
    """Bytes that no reader will ever open."""


class UnknownSchema(CodecError):
    """A schema id or fingerprint that is not known here, perhaps not yet.

    `fetch`, where there is one, asks a registry for it (it blocks); then the same may be tried once more.
    """

    fetch: Callable[[], None] | None = None


class Unencodable(CodecError):
    """Data that does not fit its schema, or that JSON cannot say."""


class BrokerError(PenstockError):
    """The broker said no, or says nothing."""


class BrokerUnavailable(BrokerError):
    """The broker is not reachable, or did not answer in time. Passing."""


class TopicMissing(BrokerError):
    """A topic that is needed does not exist."""


class SendFailed(BrokerError):
    """A record was not acknowledged, for a passing reason. The same bytes may be sent again."""


class SendRefused(BrokerError):
    """A record will never be acknowledged as it is: too large, invalid, or not authorised."""


class GroupConflict(BrokerError):
    """The consumer group has members that speak another protocol."""


class ProducerFatal(BrokerError):
    """The producer can no longer keep its promise; the process must end and be started again."""


class MemoryFailed(PenstockError):
    """A memory said no, or says nothing."""


class MemoryUnavailable(MemoryFailed):
    """A memory is not reachable, or did not answer in time. Passing."""


class MemoryConflict(MemoryFailed):
    """Another run has changed what this one had read: nothing was applied, and it runs again."""


class LocalKafkaError(PenstockError):
    """The embedded Kafka could not be fetched, started or stopped."""
