"""Where reading a partition begins: the commit, else `start_from`, else the beginning. Never the client's guess.

Kafka's own `auto.offset.reset` cannot tell a group's first start from a partition added later: with `latest`, what
was written to a new partition before it was assigned is never read. The metadata of every commit therefore holds how
many partitions the topic had when the group was born.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.broker.contract import Committed, Ends
from penstock.broker.progress import Progress, decode


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins: `lost` records were removed unread; `metadata` is kept only where it fits the log."""

    offset: int
    metadata: str = ""
    lost: int = 0


def is_newborn(partition: int, committed: Mapping[int, Committed]) -> bool:
    """Whether `start_from` holds for a partition without a commit, by the commits of its topic's other partitions.

    True where the group never read the topic, or where the partition was there when it first did (another member may
    have been faster). A partition added later is read from the beginning.
    """
    born = [found.born for one in committed.values() if (found := decode(one.metadata)) and found.born]
    if committed and not born:
        return False
    return not born or partition < min(born)


def resolve(committed: Committed | None, ends: Ends, fallback: int, topic_id: str) -> Start:
    """The start of one partition. `fallback` is the offset for a partition without a commit.

    A commit below the log's beginning lost records to retention; one past its end belongs to a log that is gone
    (topic made anew, truncated): everything there now is read.
    """
    if committed is None:
        return Start(min(max(fallback, ends.low), ends.high))
    progress = decode(committed.metadata)
    if progress and progress.topic_id and topic_id and progress.topic_id != topic_id:
        return Start(ends.low, "", 0)
    if committed.offset > ends.high:
        return Start(ends.low, "", 0)
    if committed.offset < ends.low:
        return Start(ends.low, _without_map(committed.metadata), ends.low - committed.offset)
    return Start(committed.offset, committed.metadata)


def _without_map(metadata: str) -> str:
    from penstock.broker.progress import encode

    progress = decode(metadata)
    if progress is None:
        return ""
    return encode(Progress(topic_id=progress.topic_id, born=progress.born, unclean=progress.unclean))
