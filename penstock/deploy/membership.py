"""Who is in a group: each worker's client id says what its processor does with events, so that strangers are found.

A group whose members do different things (two apps of one name, staging beside production) loses nothing, and yet half
of its events go to the wrong agent. While a new version rolls out it is normal, and passes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterable
from typing import Final

from penstock.broker.contract import GroupDescription
from penstock.topology.model import Processor

_DIGITS: Final = 6
_OURS: Final = re.compile(rf"-(?P<declaration>[0-9a-f]{{{_DIGITS}}})$")


def declaration(processor: Processor) -> str:
    """Six hex digits over what decides where an event goes and what becomes of it."""
    said = (
        processor.handler,
        sorted(processor.topics),
        sorted(processor.types),
        processor.output,
        sorted(processor.emits),
        processor.ordering,
    )
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:_DIGITS]


def process_name(group_id: str) -> str:
    """How this process is called in a group: group, host and process."""
    return f"{group_id}-{socket.gethostname()}-{os.getpid()}"


def client_id(processor: Processor) -> str:
    """How a worker is called: the process, and the declaration."""
    return f"{process_name(processor.group_id)}-{declaration(processor)}"


def strangers(processor: Processor, group: GroupDescription) -> tuple[str, ...]:
    """The client ids of members that are no worker of this declaration, in order."""
    mine = declaration(processor)
    return tuple(sorted(one.client_id for one in group.members if _declared(one.client_id) != mine))


def _declared(member: str) -> str:
    found = _OURS.search(member)
    return found["declaration"] if found else ""


def what_it_means(names: Iterable[str]) -> str:
    """What to say of strangers in a group."""
    return f"members that were declared otherwise share it: {', '.join(names)}"


WHAT_TO_DO: Final = (
    "while a new version rolls out this passes; if not, another app has this name and processor: give one of them "
    "another `name`, since each gets a part of the events"
)
