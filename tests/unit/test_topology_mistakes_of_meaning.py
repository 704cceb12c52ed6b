"""Mistakes of meaning: names, Kafka's settings, order, grace, loops. What is said about each, and where."""
# ruff: noqa: E501 - messages are quoted whole

from pathlib import Path

import pytest

from penstock.errors import TopologyError
from penstock.topology.reader import read_text

# A case: its name, the file, and what is said about it. (shop) stands for these six lines:
SHOP = """\
name: shop
topics: { orders: {}, bills: {} }
processors:
  ship:
    handler: a:b
    topics: [orders]
"""
CASES = r"""
## charset
name: a b
topics: { 'c d': {}, ..: {} }
processors: { 'e/f': { handler: 'a:b', topics: [..] } }
>>> 1:7: name "a b" is not a name Kafka takes (letters, digits, dot, underscore and hyphen only)
>>> 2:11: topic "c d" is not a name Kafka takes (letters, digits, dot, underscore and hyphen only)
>>> 2:22: topic ".." is not a name Kafka takes (letters, digits, dot, underscore and hyphen only)
>>> 3:15: processor "e/f" is not a name Kafka takes (letters, digits, dot, underscore and hyphen only)

## long
name: a
topics: { tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt: {} }
>>> 2:11: topic "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt..." is 250 characters long, Kafka allows 249 (shorten it)

## long derived
name: a
topics: { t: {} }
processors: { pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp: { handler: 'a:b', topics: [t] } }
>>> 3:15: the derived topic "a.pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp..." is 252 characters long, Kafka allows 249 (shorten the processor's name)

## dangling
(shop)
    output: bils
    emits: [orders, nope]
>>> 7:13: topic "bils" is not declared (did you mean bills?)
>>> 8:21: topic "nope" is not declared (declare it under topics: nope: {})

## dangling source
name: a
topics: { tickets: {} }
processors: { p: { handler: 'a:b', topics: [tikets] } }
>>> 3:45: topic "tikets" is not declared (did you mean tickets?)

## derived undeclared
(shop)
    emits: [shop.ship.dlt]
>>> 7:13: topic "shop.ship.dlt" is not declared (to read a derived topic, declare it without partitions: shop.ship.dlt: {})

## twice
(shop)
    types: [a, a]
>>> 7:16: "a" is named twice in types (remove one)

## twins
name: a
topics: { t: {} }
processors:
  b.c: { handler: 'a:b', topics: [t] }
  b_c: { handler: 'a:b', topics: [t] }
>>> 5:3: processors "b.c" and "b_c" make names that Kafka takes for one (dots and underscores count as equal: rename one)

## topic twins
name: a
topics:
  b.c: {}
  b_c: {}
>>> 4:3: topics "b.c" and "b_c" are one name to Kafka (dots and underscores count as equal: rename one)

## topic and derived
name: a
topics:
  t: {}
  a_p.dlt: {}
processors: { p: { handler: 'a:b', topics: [t] } }
>>> 4:3: topic "a_p.dlt" and "a.p.dlt", made by processor p, are one name to Kafka (dots and underscores count as equal: rename one)

## declares derived
name: a
topics:
  t: {}
  a.p.dlt: { partitions: 1 }
processors: { p: { handler: 'a:b', topics: [t] } }
>>> 4:3: topic "a.p.dlt" belongs to processor p (to read it, declare it without partitions)

## progress
name: a
topics:
  a.progress: { partitions: 1 }
>>> 3:3: topic "a.progress" belongs to the topology (to read it, declare it without partitions)

## parked
name: a
topics:
  t: {}
  a.p.parked: {}
processors: { p: { handler: 'a:b', topics: [t] } }
>>> 4:3: topic "a.p.parked" belongs to processor p (rename it)

## reserved topic
name: a
topics:
  t: {}
  a.p.retry.mine: {}
processors: { p: { handler: 'a:b', topics: [t] } }
>>> 4:3: the name "a.p.retry.mine" is reserved (processor p reads every topic named a.p.retry.*: rename it)

## reserved group
name: a
topics: { t: {} }
processors:
  p: { handler: 'a:b', topics: [t] }
  p.retry: { handler: 'a:b', topics: [t] }
>>> 5:3: the name "p.retry" is reserved (processor p reads every topic named a.p.retry.*: rename it)

## handler
name: shop
topics: { orders: {}, bills: {} }
processors:
  ship:
    handler: a.b
    topics: [orders]
    #
>>> 5:14: the handler "a.b" is not module:attribute (for example processors.triage:triage)

## no source
name: a
processors: { p: { handler: 'a:b', topics: [] } }
>>> 2:44: processor "p" has no source topic (name at least one)

## never
(shop)
    retry: { never: ['a:b'] }
>>> 7:21: "a:b" is not the dotted name of a class (for example pydantic.ValidationError)

## loop
(shop)
    output: orders
>>> 7:13: processor "ship" reads its own output "orders": it would never end (filter by types, or use another topic)

## grace
(shop)
    stop_grace_period: 3m
>>> 7:24: stop_grace_period is 3m, more than half of max.poll.interval.ms (5m): the partitions would be taken meanwhile (at most 150s, or raise max.poll.interval.ms under kafka:)

## grace defaults
defaults: { stop_grace_period: 3m }
(shop)
>>> 1:32: stop_grace_period is 3m, more than half of max.poll.interval.ms (5m): the partitions would be taken meanwhile (at most 150s, or raise max.poll.interval.ms under kafka:)

## grace poll
kafka: { max.poll.interval.ms: 30000 }
(shop)
    stop_grace_period: 16s
>>> 8:24: stop_grace_period is 16s, more than half of max.poll.interval.ms (30s): the partitions would be taken meanwhile (at most 15s, or raise max.poll.interval.ms under kafka:)

## order
(shop)
    retry: { preserve_order: true }
>>> 7:30: preserve_order keeps a failed record in memory for up to 5m, this policy waits 320s (set retry.backoff.max to 5m or less)

## backoff
(shop)
    retry: { backoff: { initial: 1h } }
>>> 7:34: retry.backoff.initial is 1h, longer than max 30m (raise max, up to 24h)

## backoff most
(shop)
    retry: { backoff: { max: 25h } }
>>> 7:30: processors.ship.retry.backoff.max is 25h, the most is 24h

## max_age
(shop)
    retry: { max_age: 2s }
>>> 7:23: retry.max_age 2s is over before the first retry (raise it, or lower backoff.initial)

## compact
internal_topics: { configs: { cleanup.policy: compact } }
(shop)
>>> 1:47: derived topics cannot be compacted: of two failed records with one key, one would vanish (remove it: they are cleaned by delete)

## internal retention
internal_topics: { configs: { retention.ms: 60000 } }
(shop)
>>> 1:45: derived topics keep records for 1m, but processor "ship" retries after up to 320s (a record would be deleted before it is due)

## internal size
internal_topics: { configs: { max.message.bytes: 1000000 } }
(shop)
>>> 1:50: max.message.bytes of derived topics is 1000000, their sources need 1114124 (remove it: it follows the sources)

## source retention
name: shop
topics: { orders: { configs: { retention.ms: 60000 } }, bills: {} }
processors:
  ship:
    handler: a:b
    topics: [orders]
>>> 2:46: topic "orders" keeps records for 1m, but processor "ship" retries after up to 320s (raise retention.ms, or lower retry.backoff.max)

## units
name: a
topics: { t: { configs: { retention.ms: 7d, max.message.bytes: 2MiB, segment.ms: soon } } }
>>> 2:41: retention.ms must be a whole number of milliseconds, not "7d" (write 604800000)
>>> 2:64: max.message.bytes must be a whole number of bytes, not "2MiB" (write 2097152)
>>> 2:82: segment.ms must be a whole number of milliseconds, not "soon"

## replicas
name: a
topics: { t: { replication_factor: 1, configs: { min.insync.replicas: 2 } } }
>>> 2:71: min.insync.replicas is 2, but there are only 1 replicas: nothing can be written (lower it, or raise replication_factor)

## schema without type
name: a
topics: { t: { schema: none.avsc } }
>>> 2:24: the schema "none.avsc" cannot be read: No such file or directory (paths begin at the topology's folder)
>>> 2:24: topic "t" has a schema but no type (add type: <event type>, the type it describes)

## connector
name: a
connectors: { c: { path: d }, e: f }
>>> 2:15: connector "c" has no type (write { type: http_source, ... })
>>> 2:31: connector "e" has no type (write { type: http_source, ... })

## batch
name: a
topics: { t: {} }
processors:
  p: { handler: 'a:b', topics: [t], batch: { max_records: 500 }, ordering: partition, retry: { preserve_order: true, backoff: { max: 1m } } }
>>> 4:44: batch and retry.preserve_order do not go together (remove one)
>>> 4:44: batch.max_records is 500, but only 100 events run at once (raise concurrency to it, or to twice as much for two calls at once)
>>> 4:44: with ordering: partition one event of a partition runs at a time: there is never a batch (use ordering: key or none)

## connector type
name: a
connectors: { c: { type: http_sauce, path: d }, e: { type: nothing } }
>>> 2:26: unknown connector type "http_sauce" (did you mean http_source?)
>>> 2:60: unknown connector type "nothing" (there are http_source, http_sink, cron, file_source, file_sink, redis_stream, postgres_outbox, postgres_sink; your own is module:attribute)

## connector keys
name: a
topics: { t: {} }
connectors: { c: { type: http_source, pathh: /x, topic: nope, replicas: many } }
>>> 3:15: connectors.c has no path (add path: /tickets)
>>> 3:39: unknown key "pathh" in connectors.c (did you mean path?)
>>> 3:57: topic "nope" is not declared (declare it under topics: nope: {})
>>> 3:73: connectors.c.replicas must be a whole number, not "many" (for example 12)

## connector and processor of one name
name: a
topics: { t: {} }
processors: { c: { handler: 'a:b', topics: [t] } }
connectors: { c: { type: http_source, path: /x, topic: t }, d: { type: 'own:Sink', topics: [none], more: 1 } }
>>> 4:15: "c" is a processor and a connector: both would be one consumer group (rename one)
>>> 4:93: topic "none" is not declared (declare it under topics: none: {})

## reserved by connectors
name: a
topics: { t: {}, a.cursors: {}, a.c.dlt: {} }
connectors: { c: { type: 'own:Source', topic: t, anything: [goes] } }
>>> 2:18: topic "a.cursors" belongs to the topology (rename it)
>>> 2:33: topic "a.c.dlt" belongs to connector c (rename it)
"""


def cases():
    found = []
    for case in CASES.strip().split("## ")[1:]:
        name, *lines = case.strip().split("\n")
        text = "\n".join(line for line in lines if not line.startswith(">>> "))
        expected = [line.removeprefix(">>> ") for line in lines if line.startswith(">>> ")]
        found.append(pytest.param(f"{text}\n".replace("(shop)\n", SHOP), expected, id=name))
    return found


@pytest.mark.parametrize(("text", "expected"), cases())
def test_mistake_is_named_with_its_place(text, expected):
    with pytest.raises(TopologyError) as caught:
        read_text(text, Path("t.yaml"), {})

    assert [str(problem).removeprefix("t.yaml:") for problem in caught.value.problems] == expected


def test_the_shop_itself_is_fine():
    assert list(read_text(SHOP, Path("t.yaml"), {}).processors) == ["ship"]
