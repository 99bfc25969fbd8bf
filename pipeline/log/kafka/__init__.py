"""Kafka as the log: the only place that imports aiokafka.

Only on Kafka itself do the names of topics have the prefix of the settings: every function here takes and returns the
bare names of `pipeline.log.topics`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self


class AnyWorker:
    """The right to be a worker, which every worker has: Kafka's consumer group divides the partitions."""

    def release(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Do nothing."""
