"""The progress of a worker in a partition of [readings], and its lag: for /readyz, metrics, and draining."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from store.values.times import NS


class HowFar(Protocol):
    """The progress of a worker, in one partition or in all its partitions."""

    @property
    def frames_to_replay(self) -> int:
        """Frames that the log had at the start and that are not applied yet."""
        ...

    @property
    def has_replayed(self) -> bool:
        """Whether everything is applied that the log had at the start: from then on counts do not decrease."""
        ...

    @property
    def frames_behind(self) -> int:
        """Frames in the log that are not applied yet."""
        ...

    @property
    def lag_s(self) -> float:
        """How long the oldest unapplied message has waited, in seconds; 0 if none waits."""
        ...


@dataclass(slots=True)
class Progress:
    """Written by the store's stage, read by any thread.

    next_offset       returns the offset of the log's next frame
    first_arrival_ns  returns the arrival of the first message of the frame at this offset; None if unknown
    """

    next_offset: Callable[[], int]
    first_arrival_ns: Callable[[int], int | None]
    clock_ns: Callable[[], int]
    applied_offset: int = -1
    newest_arrival_ns: int = 0
    replay_to: int = field(init=False)  # the end of the log at the start

    def __post_init__(self) -> None:
        self.replay_to = self.next_offset() - 1

    def applied(self, offset: int, newest_arrival_ns: int) -> None:
        """The store has applied everything up to and including `offset`."""
        self.applied_offset = offset
        self.newest_arrival_ns = max(self.newest_arrival_ns, newest_arrival_ns)

    @property
    def frames_to_replay(self) -> int:
        """Frames that the log had at the start and that are not applied yet."""
        return max(0, self.replay_to - self.applied_offset)

    @property
    def has_replayed(self) -> bool:
        """Whether everything is applied that the log had at the start: from then on counts do not decrease."""
        return self.applied_offset >= self.replay_to

    @property
    def frames_behind(self) -> int:
        """Frames in the log that are not applied yet."""
        return max(0, self.next_offset() - 1 - self.applied_offset)

    @property
    def lag_s(self) -> float:
        """How long the oldest unapplied message has waited, in seconds; 0 if none waits.

        A replayed dead letter keeps its first arrival stamp: if that is earlier than what is applied, the latter
        counts. A stamp from before the host's clock was set back may be in the future, and then says nothing.
        """
        waiting = self.applied_offset + 1
        if waiting >= self.next_offset():
            return 0.0
        now_ns = self.clock_ns()
        newest_ns = self.newest_arrival_ns if self.newest_arrival_ns <= now_ns else 0
        since_ns = max(self.first_arrival_ns(waiting) or 0, newest_ns)
        return max(0.0, (now_ns - since_ns) / NS) if since_ns else 0.0
