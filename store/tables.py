"""What the SQL and Timestream's protocol are asked over: the tables of accounts, of one store or of many."""

from __future__ import annotations

from typing import Protocol

from store.catalog import Catalog
from store.snapshot import Snapshot


class Tables(Protocol):
    """A catalog, and snapshots of an account's tables. Any thread."""

    @property
    def catalog(self) -> Catalog:
        """Accounts ▸ databases ▸ tables."""
        ...

    def snapshot(self, account: str) -> Snapshot:
        """A view of the account's tables for queries; close it, or use it in a `with`."""
        ...
