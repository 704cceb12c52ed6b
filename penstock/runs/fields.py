"""The wire form of a run record: a JSON object per batch, its attempts inside; every key stands here once.

A batch is one Kafka record, `{"v": 1, "worker": ..., "code": ..., "group": ..., "processor": ..., "attempts": [...]}`:
many attempts in one, since a record each would cost more than the attempts of a fast handler. Absent keys have their
default: attempt 1, no deferrals, the event's own position as its origin, its own id as its correlation. Times are
epoch milliseconds, durations milliseconds.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1

V: Final = "v"
WORKER: Final = "worker"
CODE: Final = "code"
GROUP: Final = "group"
PROCESSOR: Final = "processor"
ATTEMPTS: Final = "attempts"

RUN: Final = "run"
EVENT: Final = "event"
TYPE: Final = "type"
CORRELATION: Final = "correlation"
CAUSATION: Final = "causation"
AT: Final = "at"  # position of the record handled
ORIGIN: Final = "origin"  # position where it first stood
KEY: Final = "key"
ATTEMPT: Final = "attempt"
DEFERRALS: Final = "deferrals"
OUTCOME: Final = "outcome"
REASON: Final = "reason"
STARTED: Final = "started"
QUEUED: Final = "queued_ms"
RAN: Final = "ran_ms"
LATE: Final = "late_ms"
ERROR: Final = "error"  # {type, message, fingerprint, trace}
STEPS: Final = "steps"  # [name, at_ms, ms, error]
STEPS_LEFT_OUT: Final = "steps_left_out"
USAGE: Final = "usage"  # {model, calls, tokens_in, tokens_out, tool_calls, cost}
SENT: Final = "sent"  # positions of outputs, or of the retry record or dead letter
SENT_COUNT: Final = "sent_count"  # where `sent` was cut
REPLAY: Final = "replay"  # id of the replay it came by
REPLAYED_FROM: Final = "replayed_from"  # position in the dead letter topic
DATA: Final = "data"
