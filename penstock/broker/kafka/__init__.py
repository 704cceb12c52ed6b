"""The Kafka keeper of the broker contract: librdkafka for the work, aiokafka for live tails."""
