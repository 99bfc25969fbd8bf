"""Saves decisions about columns in the catalog, and applies them to the open tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from store.catalog.adopt import Adopted, adopt, retyped, reunited
from store.catalog.catalog import Catalog, TableInfo
from store.catalog.changes import ColumnChanges
from store.catalog.schema import Columns, TableSchema
from store.reading.reader import Reader
from store.record import MeasureType, TableId
from store.table.table import Table

log = logging.getLogger(__name__)


def adopt_all(
    catalog: Catalog, tables: Iterable[Table], partitions: Sequence[str], since: Mapping[str, int], now_ns: int
) -> None:
    """Adopt the configuration for the columns of these tables, durably, and log new decisions.

    `since` contains, per partition, the first offset written under this configuration: rows before it, stored or not,
    are read with the previous one.
    """
    partitions = tuple(dict.fromkeys((*partitions, *since)))
    decisions: dict[TableId, Callable[[TableInfo], ColumnChanges]] = {}
    by_id = {table.id: table for table in tables}
    for table in by_id.values():
        info = catalog.find(table.id)
        if info is not None and _adopted(table, partitions, since, now_ns, info) != info.changes:
            decisions[table.id] = partial(_adopted, table, partitions, since, now_ns)
    if not decisions:
        return
    before = {table: catalog.find(table) for table in decisions}
    catalog.change_columns(decisions)
    for table_id, info in before.items():
        if info is not None:
            columns, ends = _known(by_id[table_id], partitions, since)
            for words in adopt(info, columns, *ends, now_ns).told:
                log.warning("table %s.%s: %s", table_id.database, table_id.table, words)
        update_columns(catalog, by_id[table_id])


def retype(store: Reader, table: TableId, measure: str, kind: MeasureType) -> tuple[TableInfo, TableSchema]:
    """Change the type of a measure from now on, durably, for all workers; returns the table afterwards. Any thread.

    Raises UnknownDatabase, UnknownTable, CannotRetype.
    """
    with store.snapshot(table.account) as snapshot:
        snapshot.look_for_newest()
        stored = snapshot.schema(table.database, table.table).scanned
    columns = Columns.of(column for column in stored if column.kind in {"dimension", "measure"})
    now_ns = store.catalog.now_ns()
    decide(store.catalog, table, lambda info: retyped(info, columns, measure, kind, now_ns))
    return _as_it_is(store, table)


def restate_unit(store: Reader, table: TableId, measure: str, unit: str) -> tuple[TableInfo, TableSchema]:
    """Record durably that older values of a measure were in `unit`; returns the table afterwards. Any thread.

    Raises UnknownDatabase, UnknownTable, CannotRetype.
    """
    now_ns = store.catalog.now_ns()
    decide(store.catalog, table, lambda info: reunited(info, measure, unit, now_ns))
    return _as_it_is(store, table)


def decide(catalog: Catalog, table: TableId, decision: Callable[[TableInfo], Adopted]) -> None:
    """Save a decision about the columns of a table in the catalog, durably, and log it.

    Raises UnknownDatabase, UnknownTable, and everything that `decision` raises.
    """
    told = decision(catalog.table(table)).told
    catalog.change_columns({table: lambda info: decision(info).changes})
    for words in told:
        log.warning("table %s.%s: %s", table.database, table.table, words)


def _as_it_is(store: Reader, table: TableId) -> tuple[TableInfo, TableSchema]:
    store.update_columns()
    with store.snapshot(table.account) as snapshot:
        return store.catalog.table(table), snapshot.schema(table.database, table.table)


def update_columns(catalog: Catalog, table: Table) -> None:
    """Apply the catalog's decisions about columns to an open table."""
    info = catalog.find(table.id)
    if info is not None:
        table.update_columns(info)


def _adopted(
    table: Table, partitions: Sequence[str], since: Mapping[str, int], now_ns: int, info: TableInfo
) -> ColumnChanges:
    columns, ends = _known(table, partitions, since)
    return adopt(info, columns, *ends, now_ns).changes


def _known(
    table: Table, partitions: Sequence[str], since: Mapping[str, int]
) -> tuple[Columns, tuple[dict[str, int], tuple[str, ...]]]:
    own = table.own_partition
    covered = {own: max(table.covered_to(own), since.get(own, 0) - 1)}
    return Columns.of(table.stored_columns()), (covered, tuple(of for of in partitions if of != own))
