from log_workbench import bench, kafka_bench, local_bench

from tests.support.kafka_broker import kafka

__all__ = ["bench", "kafka", "kafka_bench", "local_bench"]
