"""What those who ask the store stand on, whether one process has all of it or several share it."""

from __future__ import annotations

from typing import Protocol

from store.catalog.catalog import Catalog
from store.reading.snapshot import Snapshot


class Reader(Protocol):
    """The catalog, and snapshots."""

    @property
    def catalog(self) -> Catalog:
        """What there is; tables are made and deleted here too."""
        ...

    def take_in_changes(self) -> None:
        """Have the tables that are open here know what was decided about their columns; others do within a second."""
        ...

    def snapshot(self, account: str) -> Snapshot:
        """A view of the account's tables for queries. From any thread; close it, or use it in a `with`."""
        ...
