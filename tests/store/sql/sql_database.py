"""A store for each test of queries, with methods to write and to query."""

from collections.abc import Sequence
from pathlib import Path

from store.catalog.catalog import TableSettings
from store.endpoint import WriteRecord, decode_write, encode_write
from store.record import TableId
from store.sql import ResultSet
from store.testing import ask
from tests.support.lone_store import PARTITION, open_store

NOW_NS = 1_790_000_000_123_456_789  # 2026-09-21 14:13:20.123456789
ACCOUNT = "acme"

Rows = list[tuple[object, ...]]


class Database:
    """A store, an account, and the current time."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = NOW_NS
        self.store = open_store(folder, memory_limit_bytes=64 << 20, templates={}, clock_ns=lambda: self.now_ns)
        self._offset = 0

    def write(self, database: str, table: str, records: Sequence[WriteRecord]) -> None:
        """Store these records, creating the table if necessary."""
        catalog = self.store.catalog
        if database not in [info.name for info in catalog.databases(ACCOUNT)]:
            catalog.create_database(ACCOUNT, database)
        identity = TableId(ACCOUNT, database, table)
        if catalog.find(identity) is None:
            catalog.create_table(identity, TableSettings())
        payload = encode_write(database, table, records)
        self.store.apply(decode_write(payload, ACCOUNT, self.store.registry, PARTITION, self._offset, self.now_ns))
        self.store.advance(PARTITION, self._offset)
        self._offset += 1

    def ask(self, text: str, **options: float) -> ResultSet:
        """The result of a query at `now_ns`."""
        return ask(self.store, ACCOUNT, text, now_ns=self.now_ns, **options)  # type: ignore[arg-type]

    def rows(self, text: str) -> Rows:
        """The rows of the result, as text."""
        return list(self.ask(text).rows())

    def value(self, text: str) -> object:
        """The only value of the result, as text."""
        ((value,),) = self.rows(text)
        return value
