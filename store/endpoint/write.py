"""WriteRecords: reads and admits the records, passes them to the writer, and reports the outcome of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from store.catalog.catalog import TableInfo
from store.catalog.limits import Limits
from store.catalog.schema import Column
from store.endpoint.admission import KnownColumns, Rejection, admit, ingested
from store.endpoint.context import Context, Writer
from store.endpoint.errors import RejectedRecords, Validation
from store.endpoint.import_rows import ImportRows
from store.endpoint.payload import WriteRecord
from store.endpoint.records import read_records
from store.endpoint.rejection_reports import report_rejections
from store.names import SYSTEM_DATABASE
from store.reading.reader import Reader
from store.record import Applied, Outcome, TableId

_TABLES_KNOWN_MAX = 10_000


class WriteRecords:
    """The operation, and the known columns of tables. One event loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._known: dict[tuple[TableId, int, int], KnownColumns] = {}

    async def handle(self, call: Context) -> dict[str, object]:
        """The response. Raises ResourceNotFound, Validation, RejectedRecords."""
        table = TableId(call.account, call.request["DatabaseName"], call.request["TableName"])
        refuse_made(call, table)
        info = find_table(call.store, table)
        records = read_records(call.request, info.settings.zone)
        rejected = await self.store(call, info, records)
        if rejected:
            await report_rejections(call, info, records, rejected)
            raise RejectedRecords([entry.body() for entry in rejected])
        return {"RecordsIngested": ingested(records, info.settings, call.now_ns)}

    async def store(self, call: Context, info: TableInfo, records: Sequence[WriteRecord]) -> list[Rejection]:
        """Store these records, n ≥ 1; the rejections of those that are not stored, by index. Raises as the writer."""
        known = await self._columns(call, info, records)
        new = known.names_new(records)
        admitted, rejected = admit(records, info.settings, known, call.now_ns)
        accepted = [records[index] for index in admitted]
        if accepted:
            try:
                await self._save_shapes(call, info, known, {record.measure_name for record in accepted} & new)
                applied = await self._writer.write(info.table, accepted)
            except BaseException:
                self._known.clear()  # columns were entered for records that may not be stored
                raise
            refused = _rejections(admitted, accepted, applied, call.store.catalog.limits, call.account)
            if any(entry.existing_version is None for entry in refused):
                self._known.clear()  # another writer has added a column with another type in the meantime
            rejected += refused
        return sorted(rejected, key=lambda entry: entry.index)

    async def store_import(self, call: Context, info: TableInfo, rows: ImportRows) -> Applied:
        """Store rows of an import, if there are any that may be stored. Raises Validation, and as the writer."""
        if not rows.shapes:
            return Applied(np.zeros(0, np.uint8), np.zeros(0, np.int64))
        known = await self._columns(call, info, rows.shapes)
        new = known.names_new(rows.shapes)
        faults = (known.conflict(shape) for shape in rows.shapes)
        if fault := next(filter(None, faults), None):
            raise Validation(fault)
        try:
            await self._save_shapes(call, info, known, new)
            applied = await self._writer.write_import(info.table, rows.parts)
        except BaseException:
            self._known.clear()  # as above
            raise
        if ((applied.outcomes == Outcome.REJECTED) & (applied.existing_version == 0)).any():
            self._known.clear()  # as above
        return applied

    async def _save_shapes(self, call: Context, info: TableInfo, known: KnownColumns, new: Collection[str]) -> None:
        """Save the shapes of new measure names, which outlive this process; the first worker decides."""
        if new:
            shapes = {name: known.measure_names[name] for name in new}
            known.measure_names |= await call.runner.run(lambda: call.store.catalog.save_shapes(info.table, shapes))

    async def _columns(self, call: Context, info: TableInfo, records: Sequence[WriteRecord]) -> KnownColumns:
        """The known columns of the table; asks the store if the records have an unknown one."""
        if len(self._known) > _TABLES_KNOWN_MAX:
            self._known.clear()
        what_is_kept = KnownColumns(call.store.catalog.limits, measure_names=dict(info.shapes))
        known = self._known.setdefault((info.table, info.created_ns, info.updated_ns), what_is_kept)
        if known.lacks(records):
            known.learn(await call.runner.run(lambda: _columns(call.store, info.table)))
        return known


def refuse_own(database: str) -> None:
    """Raises Validation for the database that the server alone changes."""
    if database == SYSTEM_DATABASE:
        raise Validation(f"The database {database} is written by the server alone; it can be read.")


def refuse_made(call: Context, table: TableId) -> None:
    """Raises Validation for a table whose rows the server makes: one of its own database, and a rollup table."""
    refuse_own(table.database)
    source = next((of.source for of in call.rollups if of.target == (table.database, table.table)), None)
    if source is not None:
        raise Validation(
            f"The table {table.database}.{table.table} is a rollup table, which the server makes of {'.'.join(source)} "
            "(`rollups` in its configuration): write to that one, or to a table of another name."
        )


def find_table(store: Reader, table: TableId) -> TableInfo:
    """The table, created from its template if it is in the configuration. Raises UnknownDatabase, UnknownTable."""
    return store.catalog.ensure(table) or store.catalog.table(table)


def _columns(store: Reader, table: TableId) -> tuple[Column, ...]:
    with store.snapshot(table.account) as snapshot:
        return snapshot.schema(table.database, table.table).columns


def _rejections(
    admitted: Sequence[int], records: Sequence[WriteRecord], applied: Applied, limits: Limits, account: str
) -> list[Rejection]:
    """The records that the store rejected, in the service's wording."""
    rejected = (Outcome.REJECTED, Outcome.TOO_MANY_SERIES, Outcome.TOO_MANY_COLUMNS)
    return [
        Rejection(index, why_rejected(outcome, record.version, existing, limits, account), existing or None)
        for index, record, outcome, existing in zip(
            admitted, records, applied.outcomes.tolist(), applied.existing_version.tolist(), strict=True
        )
        if outcome in rejected
    ]


def why_rejected(outcome: int, version: int, existing: int, limits: Limits, account: str) -> str:
    """Why the store has rejected a record; `existing` is the stored version, 0 if it is not because of that."""
    if outcome == Outcome.TOO_MANY_SERIES:
        return limits.told_series(account)
    if outcome == Outcome.TOO_MANY_COLUMNS:
        return _too_many_columns(limits)
    if not existing:
        return "A measure of the record has another type in the table, or its time cannot be stored."
    if version < existing:
        return (
            f"The record version {version} is lower than the existing version {existing}. "
            "A higher version is required to update the measure value."
        )
    return (
        "A record already exists with the same time, dimensions, measure name, and record version. A higher "
        "record version must be specified in order to update the measure value. Specifying record version is "
        "supported by the latest SDKs."
    )


def _too_many_columns(limits: Limits) -> str:
    return (
        f"The record would add columns beyond {limits.measures} measures or {limits.dimensions} dimensions of the "
        f"table, or {limits.columns} measures of the account's tables, the most that the server's settings "
        "limits.measures, limits.dimensions and limits.columns allow."
    )
