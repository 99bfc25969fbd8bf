"""The partitions a worker owns now, and how far it has come in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.stream.bent_fields import BentFields
from pipeline.stream.partitions.partition import Partition


class OwnedPartitions:
    """Partitions by number. The worker's event loop adds and removes them; other threads may read."""

    def __init__(self, partitions: Sequence[Partition] = ()) -> None:
        self._by_number = {partition.number: partition for partition in partitions}
        self.bent = BentFields()

    def __iter__(self) -> Iterator[Partition]:
        return iter(tuple(self._by_number.values()))

    def __len__(self) -> int:
        return len(self._by_number)

    def get(self, number: int) -> Partition | None:
        """The partition, or None where it is not this worker's."""
        return self._by_number.get(number)

    def add(self, partition: Partition) -> None:
        """It is this worker's from here on."""
        self._by_number = {**self._by_number, partition.number: partition}

    def remove(self, partition: Partition) -> None:
        """It is not this worker's any more."""
        partition.is_open = False
        self._by_number = {number: other for number, other in self._by_number.items() if other is not partition}

    # How far it has come: as `Progress` of one partition, over all

    @property
    def frames_to_replay(self) -> int:
        """Frames the log held when their partitions were taken, and that are not applied yet."""
        return sum(partition.progress.frames_to_replay for partition in self)

    @property
    def has_replayed(self) -> bool:
        """Whether what the log held when each partition was taken is applied: from then on counts do not fall."""
        return all(partition.progress.has_replayed for partition in self)

    @property
    def frames_behind(self) -> int:
        """Frames in the log that are not applied yet."""
        return sum(partition.progress.frames_behind for partition in self)

    @property
    def lag_s(self) -> float:
        """Seconds that the oldest message has waited which is not applied; 0 when none waits."""
        return max((partition.progress.lag_s for partition in self), default=0.0)
