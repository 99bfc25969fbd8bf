"""Binds aggregates of one table to partial aggregates of its rows, if there are any that are those of its WHERE."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pyarrow as pa
from sqlglot import exp

from store.catalog.schema import MEASURE_NAME_COLUMN, ZONE_COLUMN, Column, TableSchema
from store.errors import UnknownDatabase, UnknownTable
from store.names import MeasureType
from store.reading.bins import grain_of
from store.reading.borrowed import Borrowed
from store.reading.partials import Partials
from store.reading.past import AsOf
from store.reading.statistics import are_numbers
from store.record import TableId
from store.sql.bound import Bound
from store.sql.bounds import Bounds
from store.sql.errors import SqlError
from store.sql.over_partials import OverPartials, is_aggregate, named_table, over_partials
from store.sql.select import Binder


class Summarised(Protocol):
    """What `bound_to_summaries` reads: a snapshot of the tables of an account."""

    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns. Raises UnknownDatabase, UnknownTable."""
        ...

    def rolled_up(
        self,
        table: TableId,
        measures: tuple[Column, ...],
        *,
        grain_ns: int,
        time_from_ns: int | None,
        time_to_ns: int | None,
        dimensions: Mapping[str, Collection[str]],
        by: tuple[str, ...],
    ) -> str | None:
        """The name of a table with partial aggregates of these rows; None if there is none."""
        ...

    def counted(
        self,
        table: TableId,
        measures: tuple[Column, ...],
        *,
        time_from_ns: int | None,
        time_to_ns: int | None,
        times: Collection[str],
    ) -> str | None:
        """The text for the number of these rows, such times of them, and the number and range of their measures.

        None if many would have to be read.
        """
        ...

    def execute(self, sql: str) -> pa.Table:
        """The result of a DuckDB query over such tables."""
        ...


@dataclass(slots=True)
class _OneTable:
    """What a statement is bound to that names only one table, which is read as `text`."""

    of: TableSchema
    text: str
    asked: dict[str, Any] = field(default_factory=dict)  # of what is to be read

    def schema(self, database: str, table: str) -> TableSchema:  # noqa: ARG002
        """See `Tables`."""
        return self.of

    def source(self, table: TableId, *, as_of: AsOf | None = None, **asked: Any) -> str:  # noqa: ARG002
        """See `Tables`."""
        assert as_of is None, "`named_table` takes no earlier version"
        self.asked = asked
        return self.text


@dataclass(frozen=True, slots=True)
class _Planned:
    """A SELECT over partial aggregates, and what the given one reads."""

    binder: Binder
    over: OverPartials
    reads: Bounds
    asked: Mapping[str, Any]
    given: Bound

    @property
    def partials(self) -> Partials:
        """The partial aggregates that it needs."""
        among = {ZONE_COLUMN.physical: self.reads.zones, MEASURE_NAME_COLUMN.physical: self.reads.measure_names}
        return Partials(
            tuple(column.physical for column in self.over.by),
            self.over.grain_ns,
            tuple(column.physical for column in self.over.measures),
            {name: tuple(sorted(values)) for name, values in among.items() if values is not None},
        )

    @property
    def is_known(self) -> bool:
        """Whether statistics of files have all that it needs."""
        over, reads = self.over, self.reads
        is_whole = not (over.by or over.widths_ns or reads.dimensions or self.partials.among)
        return is_whole and not over.has_totals and are_numbers(over.measures)

    def bound(self, text: str) -> Bound | None:
        """The SELECT over these partial aggregates; None if it is another one by its types."""
        made = replace(self.binder, tables=_OneTable(self.over.schema, text)).bind(self.over.statement)
        return made if made.outputs == self.given.outputs else None


def bound_to_summaries(binder: Binder, tables: Summarised, statement: exp.Expr) -> Bound | None:
    """The statement over statistics or rollups; None if it asks for more than they say. Raises SqlError."""
    planned = _planned(binder, tables.schema, statement)
    if planned is None:
        return None
    over, reads = planned.over, planned.reads
    text = None
    if planned.is_known:
        text = tables.counted(
            over.schema.table,
            over.measures,
            time_from_ns=reads.time_from_ns,
            time_to_ns=reads.time_to_ns,
            times=over.times,
        )
    if text is None:
        text = _rolled_up(planned, tables)
    return None if text is None else planned.bound(text)


def _rolled_up(planned: _Planned, tables: Summarised) -> str | None:
    over, reads = planned.over, planned.reads
    grain_ns = grain_of(over.widths_ns)
    of_zones = reads.zones is not None or ZONE_COLUMN in over.by
    if (
        grain_ns is None
        or not over.measures
        or over.times
        or any(measure.type is not MeasureType.DOUBLE for measure in over.measures)
        or reads.measure_names is not None
        or MEASURE_NAME_COLUMN in over.by
        or (of_zones and over.schema.settings.zone is None)  # files have those of another time then
        or ZONE_COLUMN.name in {*reads.dimensions, *(column.name for column in over.by if column != ZONE_COLUMN)}
    ):
        return None
    return tables.rolled_up(
        over.schema.table,
        over.measures,
        grain_ns=grain_ns,
        time_from_ns=reads.time_from_ns,
        time_to_ns=reads.time_to_ns,
        dimensions=reads.dimensions if reads.zones is None else {**reads.dimensions, ZONE_COLUMN.name: reads.zones},
        by=tuple(column.name for column in over.by),
    )


def bound_to_partials(
    binder: Binder, tables: Borrowed, statement: exp.Expr, *, is_within: bool = False
) -> Bound | None:
    """The statement over what owners send instead of rows, and what statistics have; None if it needs rows.

    Raises what `Borrowed.source` raises; a statement with errors is left to tell.
    """
    try:
        is_possible = isinstance(statement, exp.Select) and is_aggregate(statement)
        is_alone = is_possible and tables.is_alone()
        if not is_possible or (is_alone and statement.args.get("group")):
            return None
        planned = _planned(binder, tables.schema, statement)
        if planned is None or (is_alone and not planned.is_known):
            return None
        if is_within and planned.reads.time_from_ns is None:
            return None
        known = planned.over.measures if planned.is_known else None
        text = tables.partials(planned.over.schema.table, planned.partials, **planned.asked, known=known)
        return None if text is None else planned.bound(text)
    except (SqlError, UnknownDatabase, UnknownTable):
        return None


def with_partials_within(binder: Binder, tables: Borrowed, statement: exp.Expr) -> Binder:
    """The binder, which binds SELECTs within the statement to partial aggregates, where there are others' rows.

    Only those that have a first time of their own: bounds of the queries around them reach rows, not what is merged.
    """
    if statement.find(exp.Subquery, exp.CTE, exp.SetOperation) is None or tables.is_alone():
        return binder

    def merging(select: exp.Select) -> Bound | None:
        return bound_to_partials(binder, tables, select, is_within=True)

    return replace(binder, merging=merging)


def _planned(binder: Binder, schema_of: Any, statement: exp.Expr) -> _Planned | None:
    if not isinstance(statement, exp.Select) or (named := named_table(statement)) is None:
        return None
    schema: TableSchema = schema_of(*named)
    over = None if schema.stored else over_partials(statement, schema)
    if over is None:
        return None
    table = _OneTable(schema, "")
    given = replace(binder, tables=table).bind(statement.copy())
    reads = given.reads
    return _Planned(binder, over, reads, table.asked, given) if reads is not None and reads.is_exact else None
