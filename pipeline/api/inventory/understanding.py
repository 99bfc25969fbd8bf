"""What messages of an account would become, by the columns that its tables have now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial

from pipeline.stream.normalise.routes import Route
from pipeline.stream.trial import KnownColumns, Understood, understand
from store.reading.reader import Reader
from store.reading.snapshot import Snapshot
from store.record import MeasureType, TableId

Understand = Callable[[str, bytes, int], Understood]
_NOTHING = KnownColumns({}, (), ())


@contextmanager
def understood_by(store: Reader, routes: Sequence[Route], account: str) -> Iterator[Understand]:
    """A function of MQTT topic, payload and arrival (ns), until the end of the block. May block."""
    with store.snapshot(account) as snapshot:
        columns_of = cache(partial(_columns, store, snapshot))
        yield partial(understand, routes, columns_of, account)


def _columns(store: Reader, snapshot: Snapshot, table: TableId) -> KnownColumns:
    info = store.catalog.find(table)
    if info is None:
        return _NOTHING
    columns = snapshot.schema(table.database, table.table).columns
    types = {column.name: column.type for column in columns if column.kind == "measure"}
    changes = info.changes
    decided = {*changes.texts, *changes.roles, *changes.asked, *info.settings.types}
    open_texts = [name for name, kind in types.items() if kind is MeasureType.VARCHAR and name not in decided]
    return KnownColumns(types, open_texts, changes.asked)
