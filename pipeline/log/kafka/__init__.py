"""Kafka as the log: the only place that imports aiokafka.

Names of topics carry the prefix of the settings on Kafka and nowhere else: every function here takes and gives the
bare names of `pipeline.log.topics`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self


class AnyWorker:
    """The right to be a worker, which everybody has: Kafka's consumer group divides the partitions."""

    def release(self) -> None:
        """Nothing to let go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to let go."""
