from tests.support.kafka_broker import kafka

__all__ = ["kafka"]
