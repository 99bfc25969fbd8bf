"""What is told of runs of scheduled queries and of rollup tables, for metrics."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Is told in one event loop. It may not block."""

    def run_ended(self, *, has_failed: bool, took_s: float, records: int) -> None:
        """A run of a scheduled query has ended, and stored so many records."""
        ...

    def runs_behind(self, seconds: float) -> None:
        """The run that has been due longest waits so long; 0 if none is due."""
        ...

    def rollup_made(self, table: str, took_s: float, records: int) -> None:
        """Bins of a rollup table (database.table) were made, as so many records."""
        ...

    def rollup_behind(self, table: str, seconds: float) -> None:
        """So many seconds of bins that are over are not made."""
        ...


class NotObserved:
    """Nobody is told."""

    def run_ended(self, *, has_failed: bool, took_s: float, records: int) -> None:
        """See `Observer`."""

    def runs_behind(self, seconds: float) -> None:
        """See `Observer`."""

    def rollup_made(self, table: str, took_s: float, records: int) -> None:
        """See `Observer`."""

    def rollup_behind(self, table: str, seconds: float) -> None:
        """See `Observer`."""
