"""A bare pipelined producer: idempotent, all replicas, linger 5 ms; nobody waits for a single delivery."""

from __future__ import annotations

from confluent_kafka import Producer

from benchmarks.load import value_of
from benchmarks.meter import Meter, say, task


def main() -> None:
    given = task()
    producer = Producer(
        {
            "bootstrap.servers": given.bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "partitioner": "murmur2_random",
        }
    )
    refused = 0

    def delivered(error: object, _: object) -> None:
        nonlocal refused
        if error is not None:
            refused += 1
        meter.one()

    meter = Meter(given, lambda: None)
    value = value_of(0)
    headers = [("ce_id", b"0"), ("ce_type", b"bench"), ("ce_source", b"/bench")]
    meter.start()
    for number in range(given.count):
        while True:
            try:
                producer.produce(
                    given.output, value, b"key-%d" % (number % 10_000), headers=headers, on_delivery=delivered
                )
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    producer.flush(60)
    if refused:
        say("failed", f"{refused} records were refused")
        raise SystemExit(1)
    meter.report()


if __name__ == "__main__":
    main()
