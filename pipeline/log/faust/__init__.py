"""Faust transports over our logs: the embedded one, and Kafka."""
