"""Averages of measures over zones and time: one scan for any number of zones and measures of a table.

`store.reading.by_zone` says which rows are those of a zone. Equal texts from different dimensions are the same zone. An
average is the mean of all rows in [from, to) that have the measure; `store.reading.bins` defines the start of bins;
empty bins are left out.
"""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from store.catalog.schema import Column, TableSchema
from store.errors import RequestError
from store.reading.bins import Bins
from store.reading.by_zone import ZONE
from store.reading.snapshot import Snapshot
from store.record import MeasureType, SeriesIndex, TableId

_NUMERIC = (MeasureType.DOUBLE, MeasureType.BIGINT)


class UnknownMeasure(RequestError):
    """The table has no such measure; the message lists its measures."""


class MeasureNotNumeric(RequestError):
    """The measure is a text, a boolean or a timestamp: it has no average."""


@dataclass(frozen=True, slots=True)
class Average:
    """The mean of `count` (≥ 1) values, the least and the greatest. `time_ns`: start of the bin, None without bins."""

    time_ns: int | None
    average: float
    min: float
    max: float
    count: int


def zone_averages(
    snapshot: Snapshot,
    index: SeriesIndex,
    zones: Mapping[str, Sequence[int]],
    measures: Sequence[str],
    *,
    from_ns: int,
    to_ns: int,
    bins: Bins | None = None,
) -> Mapping[tuple[str, str], list[Average]]:
    """For each (zone, measure) its averages in ascending time; an empty list if there are no values in [from, to).

    `zones` contains the ids of each zone's series in `index`. Raises UnknownMeasure, MeasureNotNumeric, and everything
    that `Snapshot.source` and `Snapshot.execute` raise. May block: it scans the rows of the zones.
    """
    table = index.table
    schema = snapshot.schema(table.database, table.table)
    if not {column.name for column in schema.columns}.issuperset(measures) and snapshot.renew():
        schema = snapshot.schema(table.database, table.table)
    columns = [_numeric(schema, measure) for measure in measures]
    results: dict[tuple[str, str], list[Average]] = {(zone, measure): [] for zone in zones for measure in measures}
    if not any(zones.values()) or not columns or from_ns >= to_ns:
        return results
    source = snapshot.rows_of_zones(table, index, list(zones.values()), columns, time_from_ns=from_ns, time_to_ns=to_ns)
    if not source:
        return results
    start = "NULL" if bins is None else bins.sql("t.time_ns", from_ns, to_ns)
    called = ", ".join(f"{call}(t.{column.quoted})" for column in columns for call in ("avg", "min", "max", "count"))
    names = list(zones)
    rows = snapshot.execute(f"SELECT t.{ZONE}, {start}, {called} FROM ({source}) AS t GROUP BY 1, 2 ORDER BY 1, 2")
    for number, start_ns, *values in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        time_ns = start_ns if bins is None else bins.instant_ns(start_ns)
        for measure, part in zip(measures, range(0, len(values), 4), strict=True):
            average, least, greatest, count = values[part : part + 4]
            if count:
                row = Average(time_ns, average, float(least), float(greatest), count)
                results[names[number], measure].append(row)
    return results


def _numeric(schema: TableSchema, measure: str) -> Column:
    """The column of a numeric measure. Raises UnknownMeasure, MeasureNotNumeric."""
    found = {column.name: column for column in schema.columns if column.kind == "measure"}
    column = found.get(measure)
    if column is None:
        known = ", ".join(found) or "none yet"
        raise UnknownMeasure(f"no measure {measure!r} in {_named(schema.table)}; its measures are: {known}")
    if column.type not in _NUMERIC:
        raise MeasureNotNumeric(f"measure {measure!r} of {_named(schema.table)} is a {column.type.value}, not a number")
    return column


def _named(table: TableId) -> str:
    return f"{table.database}.{table.table}"
