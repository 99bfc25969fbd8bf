"""The interface of the store for queries."""

from __future__ import annotations

from typing import Protocol

from store.catalog.catalog import Catalog
from store.reading.lending import Lender
from store.reading.snapshot import Snapshot


class Reader(Protocol):
    """The catalog, and snapshots."""

    @property
    def catalog(self) -> Catalog:
        """The catalog; tables are also created and deleted through it."""
        ...

    def update_columns(self) -> None:
        """Update the tables that are open here with changes of their columns; other workers do so within a second."""
        ...

    def snapshot(self, account: str) -> Snapshot:
        """A view of the account's tables, read in this process. Any thread; close it, or use it in a `with`."""
        ...

    def lender(self, account: str) -> Lender:
        """The same view, for a query in another process."""
        ...
