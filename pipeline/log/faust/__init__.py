"""Transports of Faust for both logs: the embedded one, and Kafka."""
