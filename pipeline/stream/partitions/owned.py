"""The partitions that a worker owns now, and its progress in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.base.errors import NotOwned
from pipeline.log.topics import READINGS
from pipeline.stream.altered_fields import AlteredFields
from pipeline.stream.partitions.partition import Partition


class OwnedPartitions:
    """Partitions by number. The worker's event loop adds and removes them; other threads may read."""

    def __init__(self, total: int, partitions: Sequence[Partition] = ()) -> None:
        """`total` is the number of partitions of [readings]."""
        self._total = total
        self._by_number = {partition.number: partition for partition in partitions}
        self._is_assigned = bool(partitions)
        self.altered = AlteredFields()

    def __iter__(self) -> Iterator[Partition]:
        return iter(tuple(self._by_number.values()))

    def __len__(self) -> int:
        return len(self._by_number)

    def get(self, number: int) -> Partition | None:
        """The partition, or None if this worker does not own it."""
        return self._by_number.get(number)

    def ready(self, numbers: Iterable[int]) -> list[Partition]:
        """These partitions. Raises NotOwned if one is not owned, or is still replayed."""
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
        """Whether this worker owns all partitions, and so has every series."""
        return len(self) == self._total

    def has_assignment(self) -> None:
        """Record that the assignment is known; before, it is also unknown how much is to be replayed."""
        self._is_assigned = True

    def add(self, partition: Partition) -> None:
        """This worker owns it from now on."""
        self._by_number = {**self._by_number, partition.number: partition}

    def remove(self, partition: Partition) -> None:
        """This worker does not own it any more."""
        partition.is_open = False
        self._by_number = {number: other for number, other in self._by_number.items() if other is not partition}

    # The progress over all partitions, as `Progress` of one

    @property
    def frames_to_replay(self) -> int:
        """Frames that the log had when their partitions were assigned, and that are not applied yet."""
        return sum(partition.progress.frames_to_replay for partition in self)

    @property
    def has_replayed(self) -> bool:
        """Whether everything that the log had at the assignment is applied: then counts do not decrease any more."""
        return self._is_assigned and all(partition.progress.has_replayed for partition in self)

    @property
    def frames_behind(self) -> int:
        """Frames in the log that are not applied yet."""
        return sum(partition.progress.frames_behind for partition in self)

    @property
    def lag_s(self) -> float:
        """How long the oldest unapplied message has waited, in seconds; 0 if none waits."""
        return max((partition.progress.lag_s for partition in self), default=0.0)
