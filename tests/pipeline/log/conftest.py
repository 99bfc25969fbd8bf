from kafka_broker import kafka, mortal_kafka

__all__ = ["kafka", "mortal_kafka"]
