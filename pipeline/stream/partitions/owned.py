"""The partitions a worker owns now, and how far it has come in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.base.errors import NotOwned
from pipeline.log.topics import READINGS
from pipeline.stream.bent_fields import BentFields
from pipeline.stream.partitions.partition import Partition


class OwnedPartitions:
    """Partitions by number. The worker's event loop adds and removes them; other threads may read."""

    def __init__(self, total: int, partitions: Sequence[Partition] = ()) -> None:
        """`total` is how many partitions [readings] has."""
        self._total = total
        self._by_number = {partition.number: partition for partition in partitions}
        self._is_assigned = bool(partitions)
        self.bent = BentFields()

    def __iter__(self) -> Iterator[Partition]:
        return iter(tuple(self._by_number.values()))

    def __len__(self) -> int:
        return len(self._by_number)

    def get(self, number: int) -> Partition | None:
        """The partition, or None where it is not this worker's."""
        return self._by_number.get(number)

    def ready(self, numbers: Iterable[int]) -> list[Partition]:
        """These partitions. Raises NotOwned if one is not this worker's, or is replayed yet."""
        return [self._ready(number) for number in numbers]

    def _ready(self, number: int) -> Partition:
        partition = self.get(number)
        if partition is None:
            raise NotOwned(f"partition {number} of [{READINGS}] is not assigned to this worker, or not ready")
        if not partition.progress.has_replayed:
            to_go = partition.progress.frames_to_replay
            raise NotOwned(f"partition {number} of [{READINGS}] is replayed: {to_go} to go")
        return partition

    @property
    def are_all(self) -> bool:
        """Whether every series there is is in one of them."""
        return len(self) == self._total

    def has_assignment(self) -> None:
        """What is this worker's is known: before, it is not known either how much is to be replayed."""
        self._is_assigned = True

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
        return self._is_assigned and all(partition.progress.has_replayed for partition in self)

    @property
    def frames_behind(self) -> int:
        """Frames in the log that are not applied yet."""
        return sum(partition.progress.frames_behind for partition in self)

    @property
    def lag_s(self) -> float:
        """Seconds that the oldest message has waited which is not applied; 0 when none waits."""
        return max((partition.progress.lag_s for partition in self), default=0.0)
