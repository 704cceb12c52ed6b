"""OpenTelemetry: a span per attempt and per step, linked across topics (extra `otel`)."""
