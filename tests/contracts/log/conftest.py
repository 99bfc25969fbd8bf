from log_workbench import bench

__all__ = ["bench"]
