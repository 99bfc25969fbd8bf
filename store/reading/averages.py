"""Averages of measures over zones and time: one scan for any number of zones and measures of a table.

A zone is a function of a record's dimensions, and `SeriesIndex.zones` has its value for each series. So the rows of a
zone are those with the dimensions of one of its series: the dimensions that its template names, or all dimensions if
the zone does not come from a template. Equal texts from different dimensions are the same zone.

An average is the mean of all rows in [from, to) that have the measure; `store.reading.bins` defines the start of bins;
empty bins are left out.
"""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names; values are parameters

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from store.catalog.schema import Column, TableSchema
from store.errors import RequestError
from store.reading.bins import Bins
from store.reading.snapshot import Snapshot
from store.record import MeasureType, SeriesIndex, TableId
from store.values.templates import names_in

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
    members = _members(index, zones, _zone_dimensions(schema))
    if not members.zone_of or not columns or from_ns >= to_ns:
        return results
    source = snapshot.source(table, time_from_ns=from_ns, time_to_ns=to_ns, dimensions=members.prunable() or None)
    start = "NULL" if bins is None else bins.sql("t.time_ns", from_ns, to_ns)
    sql, parameters = _select(source, members, columns, start)
    names = list(zones)
    rows = snapshot.execute(sql, parameters)
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


def _zone_dimensions(schema: TableSchema) -> list[Column]:
    """The dimensions that determine the zone: those in its template, else all dimensions of the table."""
    template = schema.settings.zone
    dimensions = [column for column in schema.scanned if column.kind == "dimension"]
    if template is None:
        return dimensions
    names = names_in(template) or (template,)
    return [column for column in dimensions if column.name in names]


@dataclass(frozen=True, slots=True)
class _Members:
    """The values of `dimensions` (None: absent) of a zone's rows, and the number of the zone."""

    dimensions: list[Column]
    zone_of: dict[tuple[str | None, ...], int]

    def prunable(self) -> dict[str, Collection[str]]:
        """For each dimension that all members have, its values."""
        values = {column.name: {key[place] for key in self.zone_of} for place, column in enumerate(self.dimensions)}
        return {
            name: [value for value in found if value is not None] for name, found in values.items() if None not in found
        }

    def is_product(self) -> bool:
        """Whether `prunable` selects exactly these members, and all are of one zone."""
        pruned = self.prunable()
        size = 1
        for values in pruned.values():
            size *= len(values)
        return (
            len(pruned) == len(self.dimensions) and size == len(self.zone_of) and len(set(self.zone_of.values())) == 1
        )


def _members(index: SeriesIndex, zones: Mapping[str, Sequence[int]], dimensions: list[Column]) -> _Members:
    zone_of: dict[tuple[str | None, ...], int] = {}
    for number, series in enumerate(zones.values()):
        for member in series:
            own = dict(index.keys[member].dimensions)
            zone_of[tuple(own.get(column.name) for column in dimensions)] = number
    return _Members(dimensions, zone_of)


def _select(source: str, members: _Members, columns: Sequence[Column], start: str) -> tuple[str, list[object]]:
    """The query: zone number, bin, and average, least, greatest and count of each column."""
    parameters: list[object] = []
    if members.is_product():
        join, zone = "", str(next(iter(members.zone_of.values())))
    else:
        parameters += [list(values) for values in zip(*members.zone_of, strict=True)]
        parameters.append(list(members.zone_of.values()))
        unnested = [f"unnest(CAST(? AS VARCHAR[])) AS d{place}" for place in range(len(members.dimensions))]
        matches = " AND ".join(
            f"t.{column.quoted} IS NOT DISTINCT FROM m.d{place}" for place, column in enumerate(members.dimensions)
        )
        join = f" JOIN (SELECT {', '.join([*unnested, 'unnest(CAST(? AS INTEGER[])) AS zone'])}) AS m ON {matches}"
        zone = "m.zone"
    values = ", ".join(f"{call}(t.{column.quoted})" for column in columns for call in ("avg", "min", "max", "count"))
    sql = f"SELECT {zone} AS zone, {start} AS bin, {values} FROM {source} AS t{join} GROUP BY 1, 2 ORDER BY 1, 2"
    return sql, parameters
