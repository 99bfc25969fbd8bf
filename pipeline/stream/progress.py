"""How far the worker has come in a partition of [readings], and how far behind it is: for /readyz, metrics, a drain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from store.values.times import NS


class HowFar(Protocol):
    """How far a worker has come, in one partition or in all it has."""

    @property
    def frames_to_replay(self) -> int:
        """Frames the log held at the start that are not applied yet."""
        ...

    @property
    def has_replayed(self) -> bool:
        """Whether everything the log held at the start is applied: from then on counts do not fall."""
        ...

    @property
    def frames_behind(self) -> int:
        """Frames in the log that are not applied yet."""
        ...

    @property
    def lag_s(self) -> float:
        """Seconds that the oldest message has waited which is not applied; 0 when none waits."""
        ...


@dataclass(slots=True)
class Progress:
    """Written by the store's stage, read by any thread.

    next_offset       asks the log for the offset that its next frame will have
    first_arrival_ns  asks the log when the first message of the frame at this offset arrived; None if it cannot tell
    """

    next_offset: Callable[[], int]
    first_arrival_ns: Callable[[int], int | None]
    clock_ns: Callable[[], int]
    applied_offset: int = -1
    newest_arrival_ns: int = 0
    replay_to: int = field(init=False)  # what the log held at the start

    def __post_init__(self) -> None:
        self.replay_to = self.next_offset() - 1

    def applied(self, offset: int, newest_arrival_ns: int) -> None:
        """The store has everything up to and including `offset`."""
        self.applied_offset = offset
        self.newest_arrival_ns = max(self.newest_arrival_ns, newest_arrival_ns)

    @property
    def frames_to_replay(self) -> int:
        """Frames the log held at the start that are not applied yet."""
        return max(0, self.replay_to - self.applied_offset)

    @property
    def has_replayed(self) -> bool:
        """Whether everything the log held at the start is applied: from then on counts do not fall."""
        return self.applied_offset >= self.replay_to

    @property
    def frames_behind(self) -> int:
        """Frames in the log that are not applied yet."""
        return max(0, self.next_offset() - 1 - self.applied_offset)

    @property
    def lag_s(self) -> float:
        """Seconds since the arrival of the oldest message that is not applied; 0 when none waits.

        A dead letter's replay keeps its first stamp: one earlier than what is applied counts as that. What was applied
        before the host's clock was set back may bear a stamp of the future, which says nothing.
        """
        waiting = self.applied_offset + 1
        if waiting >= self.next_offset():
            return 0.0
        now_ns = self.clock_ns()
        newest_ns = self.newest_arrival_ns if self.newest_arrival_ns <= now_ns else 0
        since_ns = max(self.first_arrival_ns(waiting) or 0, newest_ns)
        return max(0.0, (now_ns - since_ns) / NS) if since_ns else 0.0
