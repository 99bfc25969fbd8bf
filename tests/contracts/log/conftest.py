from log_workbench import bench, kafka_bench, local_bench

__all__ = ["bench", "kafka_bench", "local_bench"]
