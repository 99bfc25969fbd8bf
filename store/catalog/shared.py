"""The catalog that several workers share: objects beside the Delta tables, changed by compare-and-swap.

Each version is an object with a number, made only if it is not there yet; the highest counts. Who loses the race loads
the winner's version and decides again, so of two who make one table at once one is told that it exists. What others
have changed is seen within a second; whatever seems not to be there is looked for at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from store import layout
from store.catalog.catalog import Catalog, DatabaseInfo, TableInfo, TableSettings
from store.catalog.document import Document
from store.errors import UnknownDatabase, UnknownTable
from store.objects.objects import Objects
from store.record import TableId

T = TypeVar("T")

VERSIONS_KEPT = 100
REFRESH_EVERY_S = 1.0


class SharedKeeping:
    """Versions of a document as objects. Not thread-safe: the catalog's lock guards every call."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._number = 0  # of the version loaded or saved last
        self.name = layout.SHARED_CATALOG

    def load(self) -> bytes | None:
        """The highest version."""
        while True:
            numbers = self._numbers()
            if not numbers:
                return None
            data = self._objects.get(_path(max(numbers)))
            if data is not None:
                self._number = max(numbers)
                return data

    def has_newer(self) -> bool:
        """Whether there is a higher version than that loaded or saved last."""
        return max(self._numbers(), default=0) > self._number

    def save(self, data: bytes) -> bool:
        """Make the next version; False if it is there."""
        number = self._number + 1
        if self.has_newer() or not self._objects.create(_path(number), data):
            return False
        # Where so many versions have come since ours that the next one was removed again, there was room for it
        numbers = self._numbers()
        if self._number and self._number not in numbers:
            self._objects.delete(_path(number))
            return False
        self._number = number
        for old in numbers:
            if old <= number - VERSIONS_KEPT:
                self._objects.discard(_path(old))
        return True

    def _numbers(self) -> list[int]:
        names = (path.rsplit("/", 1)[-1] for path in self._objects.list(layout.SHARED_CATALOG))
        return [int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdigit()]


class SharedCatalog(Catalog):
    """The catalog of all workers on one magnetic tier. Any thread; a miss, and every change, waits for the objects."""

    _keeping: SharedKeeping

    def __init__(
        self,
        objects: Objects,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        log_end: Callable[[], Mapping[str, int]],
        deleted: Callable[[TableInfo], None],
    ) -> None:
        """Load it. `log_end` tells the next offset of each partition; `deleted` removes a table's files."""

        def acknowledged() -> Mapping[str, int]:
            return {partition: offset - 1 for partition, offset in log_end().items()}

        super().__init__(SharedKeeping(objects), templates, clock_ns, acknowledged, deleted)
        self._refreshed_s = time.monotonic()

    @property
    def partitions(self) -> Sequence[str]:
        """Every stream there has been, by its number."""
        return self._document.partitions

    def number_partitions(self, partitions: Sequence[str]) -> None:
        """Give each partition that has none yet a number, for everybody."""
        self._change(lambda document: document.number_partitions(partitions))

    def refresh(self, *, now: bool = False) -> None:
        """Take in what others have changed: `now`, or if that has not been done for a second."""
        if not now and time.monotonic() - self._refreshed_s < REFRESH_EVERY_S:
            return
        with self._lock:
            began_s = time.monotonic()
            if self._keeping.has_newer():
                self._document = self._decode(self._keeping.load())
            self._refreshed_s = began_s

    def _change(self, decide: Callable[[Document], T]) -> T:
        self.refresh(now=True)  # what it refuses, it refuses for what is there now
        return super()._change(decide)

    def buried_to(self, table: TableId) -> Mapping[str, int]:
        """Of a deleted table: the last offset per partition that was its, as of the last refresh."""
        buried = self._document.buried.get(table)
        return {} if buried is None else buried.born

    def buried_tables(self) -> list[TableInfo]:
        """Tables that were deleted last under their names, for their files to be removed if that was cut short."""
        return [
            TableInfo(table, TableSettings(), 0, 0, buried.born, buried.incarnation)
            for table, buried in self._document.buried.items()
        ]

    # What is not there may have been made by another worker

    def databases(self, account: str) -> list[DatabaseInfo]:
        """The account's databases by name; what others made in the last second may be missing."""
        self.refresh()
        return super().databases(account)

    def database(self, account: str, name: str) -> DatabaseInfo:
        """The database. Raises UnknownDatabase."""
        try:
            return super().database(account, name)
        except UnknownDatabase:
            self.refresh(now=True)
            return super().database(account, name)

    def tables(self, account: str, database: str | None = None) -> list[TableInfo]:
        """The tables by name; what others made in the last second may be missing. Raises UnknownDatabase."""
        self.refresh()
        if database is not None:
            self.database(account, database)
        return super().tables(account, database)

    def table(self, table: TableId) -> TableInfo:
        """The table. Raises UnknownDatabase, UnknownTable."""
        try:
            return super().table(table)
        except (UnknownDatabase, UnknownTable):
            self.refresh(now=True)
            return super().table(table)

    def find(self, table: TableId) -> TableInfo | None:
        """The table, or None."""
        info = super().find(table)
        if info is None:
            self.refresh(now=True)
            info = super().find(table)
        return info

    def known(self, table: TableId) -> TableInfo | None:
        """The table as of the last refresh, or None; asks nobody."""
        return super().find(table)

    def delete_table(self, table: TableId) -> None:
        """Delete a table and all its rows, those other workers have in RAM too. Raises UnknownDatabase, UnknownTable.

        A table made anew under the name has a folder of its own, so it need not wait for the files to go.
        """
        self._deleted(self._change(lambda document: document.delete_table(table, self._positions())))


def _path(number: int) -> str:
    return f"{layout.SHARED_CATALOG}/{number:020d}.json"
