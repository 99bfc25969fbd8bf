from kafka_broker import kafka

__all__ = ["kafka"]
