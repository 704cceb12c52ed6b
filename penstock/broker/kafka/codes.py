"""The client's error codes, sorted by what they mean for us."""

# ruff: noqa: SLF001  # the client's own codes begin with an underscore; they are documented nevertheless
from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

TIMED_OUT: Final = KafkaError._TIMED_OUT
FATAL: Final = KafkaError._FATAL

# How often a question is asked within one timeout, by a new client where the last got no answer (librdkafka 2.16):
# - A new cluster first makes the topic of the coordinators; the client asks a few times meanwhile for a group's, then
#   drops the search and waits for nothing (rdkafka_coord.c).
# - A question that waits for the controller waits for a connection to change, and none does where the broker answered
#   the client once without naming a controller (rdkafka_broker.c).
QUESTION_TRIES: Final = 3

# A broker or a group's coordinator that has only just come up: asked again, it answers in a moment.
SETTLING: Final = frozenset(
    {
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
    }
)
# No answer: what was asked may or may not have been done.
UNANSWERED: Final = frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError._RESOLVE,
        KafkaError._DESTROY,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        *SETTLING,
    }
)

# A record that will never be taken as it is.
REFUSED: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.TOPIC_EXCEPTION,  # a name that no topic can have
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError._INVALID_ARG,
    }
)
# Verdicts on a whole batch of which one record may be the cause.
OF_A_BATCH: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,  # one without a key in a compacted topic, for example
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_TIMESTAMP,
    }
)
UNKNOWN_PARTITION: Final = KafkaError._UNKNOWN_PARTITION

# Commit refusals of one partition, after which the others may have been committed.
OF_ONE_PARTITION: Final = frozenset(
    {
        KafkaError.OFFSET_METADATA_TOO_LARGE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.INVALID_COMMIT_OFFSET_SIZE,
    }
)

# What was to be read next is not there.
JUMPS: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION})
MISSING: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
UNREACHABLE: Final = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE})
# One connection, which the client makes anew; of all of them it says _ALL_BROKERS_DOWN.
QUIET: Final = frozenset({KafkaError._TRANSPORT, KafkaError._PARTITION_EOF, KafkaError._TIMED_OUT})

# A group that cannot be joined while its members are who they are.
CONFLICTS: Final = frozenset({KafkaError.INCONSISTENT_GROUP_PROTOCOL, KafkaError.GROUP_ID_NOT_FOUND})
# A group that cannot be joined at all, and what to do.
HOPELESS: Final = {
    KafkaError.GROUP_AUTHORIZATION_FAILED: "grant READ on the group",
    KafkaError.INVALID_SESSION_TIMEOUT: "failover must lie within the broker's group.min/max.session.timeout.ms",
    KafkaError.INVALID_GROUP_ID: "choose another group.id",
    KafkaError.UNSUPPORTED_VERSION: "the broker does not know this group protocol: set group.protocol to classic",
    KafkaError.FENCED_INSTANCE_ID: "another member has the same group.instance.id",
    KafkaError.UNSUPPORTED_ASSIGNOR: "remove group.remote.assignor",
}
