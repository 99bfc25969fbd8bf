"""Imports: rows of the past from another system, many at a time, by the version rules of WriteRecords.

They go through the log as every row does. So an import can be repeated, or broken off and begun again, at any point: a
row that is stored already is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from store.catalog.catalog import TableInfo, TableSettings
from store.endpoint.context import Context
from store.endpoint.import_rows import ImportRows, read_import_rows
from store.endpoint.shapes import check
from store.endpoint.write import WriteRecords, find_table, refuse_made, why_rejected
from store.errors import DatabaseExists, TableExists
from store.record import Applied, Int64s, Outcome, TableId


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """What became of the rows of a request: how many have each outcome, and by reason the places of those rejected.

    runs  the same in the order of the request: an outcome (new, same, replaced, rejected), and of how many rows
    """

    rows: int
    new: int
    same: int
    replaced: int
    rejected: Mapping[str, Int64s]
    runs: Sequence[tuple[str, int]]


async def import_rows(write: WriteRecords, call: Context, table: TableId, body: bytes, *, create: bool) -> Imported:
    """Store the rows in an Arrow IPC stream; `create`: also a table that does not exist.

    Raises Validation, UnknownDatabase, UnknownTable, LimitReached, TimeoutError, and as the writer.
    """
    refuse_made(call, table)
    info, rows = await asyncio.to_thread(_rows_for, call, table, body, create=create)
    applied = await write.store_import(call, info, rows)
    return _told(call, rows, applied)


def _rows_for(call: Context, table: TableId, body: bytes, *, create: bool) -> tuple[TableInfo, ImportRows]:
    """The table, created only if it may store one of the rows, and the rows."""
    catalog, now_ns = call.store.catalog, call.now_ns
    is_new = create and catalog.ensure(table) is None
    if is_new:
        check("CreateTable", {"DatabaseName": table.database, "TableName": table.table})
    info = TableInfo(table, TableSettings(), now_ns, now_ns, {}) if is_new else find_table(call.store, table)
    rows = read_import_rows(body, info, now_ns)
    if not is_new or not rows.shapes:
        return info, rows
    with suppress(DatabaseExists):
        catalog.create_database(table.account, table.database)
    with suppress(TableExists):
        catalog.create_table(table, TableSettings())
    return find_table(call.store, table), rows


def _told(call: Context, rows: ImportRows, applied: Applied) -> Imported:
    counts = np.bincount(applied.outcomes, minlength=len(Outcome)).tolist()
    if counts[Outcome.SKIPPED]:
        raise TimeoutError("the table was deleted meanwhile, or the rows were applied before their worker ended")
    rejected = dict(rows.rejected)
    stored = {Outcome.NEW, Outcome.SAME, Outcome.REPLACED}
    for outcome in (outcome for outcome in Outcome if outcome not in stored and counts[outcome]):
        is_it = applied.outcomes == outcome
        for existing in np.unique(applied.existing_version[is_it]).tolist():
            places = np.flatnonzero(is_it & (applied.existing_version == existing))
            for version in np.unique(rows.parts.version[places]).tolist():
                of_version = places[rows.parts.version[places] == version]
                reason = why_rejected(outcome, version, existing, call.store.catalog.limits, call.account)
                rejected[reason] = np.sort(np.concatenate((rejected.get(reason, of_version[:0]), rows.at[of_version])))
    total = len(applied.outcomes) + sum(map(len, rows.rejected.values()))
    outcomes = np.full(total, Outcome.REJECTED, np.uint8)
    outcomes[rows.at] = np.where(np.isin(applied.outcomes, [*stored]), applied.outcomes, Outcome.REJECTED)
    return Imported(
        total, counts[Outcome.NEW], counts[Outcome.SAME], counts[Outcome.REPLACED], rejected, _runs(outcomes)
    )


def _runs(outcomes: npt.NDArray[np.uint8]) -> list[tuple[str, int]]:
    begins = np.append(0, np.flatnonzero(outcomes[1:] != outcomes[:-1]) + 1)
    lengths = np.diff(np.append(begins, len(outcomes)))
    names = (Outcome(outcome).name.lower() for outcome in outcomes[begins].tolist())
    return list(zip(names, lengths.tolist(), strict=True))
