"""The gateway: events over HTTP into Kafka, and what became of them back to who asked.

A request walks through `app` → `access` (who) → `intake`, `cloudevents` (what) → `sealing` (which record) →
`pressure`, `acceptance` (into Kafka, or not) → 202. The way back: `tail` and `lookup` fill the `board`, which
`results` reads.
"""

from penstock.connectors.http_source.source import HttpSource

__all__ = ["HttpSource"]
