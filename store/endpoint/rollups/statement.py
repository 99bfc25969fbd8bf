"""What a rollup table is made of: the statement that aggregates bins, and the bins that are to be made. Pure."""

# ruff: noqa: S608 - SQL is put together here, from quoted names and numbers

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from store.catalog.rollup_table import AGGREGATES, COUNT, RollupTable, column_name
from store.catalog.schema import Column
from store.endpoint.batch_model import Model
from store.names import MeasureType
from store.record import Int64s
from store.values.sql_text import quote_name

MOST_BINS = 24  # of one statement
_NUMERIC = (MeasureType.DOUBLE, MeasureType.BIGINT)
_SECOND_NS = 1_000_000_000


def due_ranges(
    slots: Int64s | None, made_to_ns: int, first_ns: int, oldest_ns: int, end_ns: int, bin_ns: int
) -> list[tuple[int, int]]:
    """The times [from, to) of bins that are to be made, of those in [first, end), each at most `MOST_BINS` long.

    slots       the bins that have changed, ascending; None: any may have
    made_to_ns  bins from here on were not made yet
    oldest_ns   there are no rows before
    """
    begun = 0 if slots is None else made_to_ns
    new = np.arange(max(begun, first_ns, oldest_ns // bin_ns * bin_ns) // bin_ns, end_ns // bin_ns)
    changed = new[:0] if slots is None else slots
    late = changed[(changed >= first_ns // bin_ns) & (changed < min(made_to_ns, end_ns) // bin_ns)]
    due = np.union1d(late, new)
    runs = np.split(due, np.flatnonzero(np.diff(due) != 1) + 1) if len(due) else []
    return [
        (int(run[first]) * bin_ns, int(run[min(first + MOST_BINS, len(run)) - 1] + 1) * bin_ns)
        for run in runs
        for first in range(0, len(run), MOST_BINS)
    ]


def measures_of(columns: Sequence[Column]) -> list[Column]:
    """The measures that are rolled up: numbers of multi-measure records."""
    return [
        column for column in columns if column.kind == "measure" and column.type in _NUMERIC and ":" not in column.name
    ]


def statement(rollup: RollupTable, columns: Sequence[Column], from_ns: int, to_ns: int) -> tuple[str, Model]:
    """The statement for bins in [from, to), and the data model of its result. `columns` has at least one measure."""
    values = [(measure, aggregate) for measure in measures_of(columns) for aggregate in rollup.aggregates]
    selected = [_value(measure, aggregate, place) for place, (measure, aggregate) in enumerate(values)]
    return _groups(rollup, columns, selected, from_ns, to_ns), _model(_dimensions(columns), values)


def statement_of_gone(
    rollup: RollupTable, columns: Sequence[Column], made: Sequence[Column], from_ns: int, to_ns: int
) -> tuple[str, Model] | None:
    """The statement for rows of the rollup table, with columns `made`, whose series have no rows in the bin any more.

    Their counts are 0, and other aggregates are not there. None if the table has no counts.
    """
    there = {column.name for column in made}
    counted = [measure for measure in measures_of(columns) if column_name(measure.name, COUNT) in there]
    if not counted:
        return None
    names = _dimensions(columns)
    kept = [
        f"{quote_name(name) if name in there else 'CAST(NULL AS varchar)'} AS d{at}" for at, name in enumerate(names)
    ]
    some = " OR ".join(f"{quote_name(column_name(measure.name, COUNT))} > 0" for measure in counted)
    before = (
        f"SELECT {', '.join([*kept, 'measure_name AS n', 'time AS t'])} FROM {_table(rollup.target)} "
        f"WHERE {_within(from_ns, to_ns)} AND ({some})"
    )
    listed = [*(f"d{place}" for place in range(len(names))), "n", "t"]
    zeros = [f"0 AS v{place}" for place in range(len(counted))]
    text = (
        f"SELECT {', '.join([*listed, *zeros])} FROM ({before} EXCEPT {_groups(rollup, columns, [], from_ns, to_ns)})"
    )
    return text, _model(names, [(measure, COUNT) for measure in counted])


def _groups(rollup: RollupTable, columns: Sequence[Column], values: Sequence[str], from_ns: int, to_ns: int) -> str:
    keys = [f"{quote_name(name)} AS d{place}" for place, name in enumerate(_dimensions(columns))]
    keys += ["measure_name AS n", f"bin(time, {rollup.bin_ns // _SECOND_NS}s) AS t"]
    some = " + ".join(f"count({quote_name(measure.name)})" for measure in measures_of(columns))
    numbers = ", ".join(str(place + 1) for place in range(len(keys)))
    return (
        f"SELECT {', '.join([*keys, *values])} FROM {_table(rollup.source)} WHERE {_within(from_ns, to_ns)} "
        f"GROUP BY {numbers} HAVING {some} > 0"
    )


def _within(from_ns: int, to_ns: int) -> str:
    return f"time >= from_nanoseconds({from_ns}) AND time < from_nanoseconds({to_ns})"


def _table(name: tuple[str, str]) -> str:
    return ".".join(map(quote_name, name))


def _dimensions(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns if column.kind == "dimension"]


def _value(measure: Column, aggregate: str, place: int) -> str:
    call = f"{AGGREGATES[aggregate]}({quote_name(measure.name)})"
    return f"nullif({call}, 0) AS v{place}" if aggregate == COUNT else f"{call} AS v{place}"


def _model(dimensions: Sequence[str], values: Sequence[tuple[Column, str]]) -> Model:
    return {
        "TimeColumn": "t",
        "TimeUnit": "NANOSECONDS",
        "MeasureNameColumn": "n",
        "DimensionMappings": [
            {"SourceColumn": f"d{place}", "DestinationColumn": name} for place, name in enumerate(dimensions)
        ],
        "MultiMeasureMappings": {
            "MultiMeasureAttributeMappings": [
                {
                    "SourceColumn": f"v{place}",
                    "TargetMultiMeasureAttributeName": column_name(measure.name, aggregate),
                    "MeasureValueType": _type(measure, aggregate).value.upper(),
                }
                for place, (measure, aggregate) in enumerate(values)
            ]
        },
    }


def _type(measure: Column, aggregate: str) -> MeasureType:
    if aggregate == COUNT:
        return MeasureType.BIGINT
    return MeasureType.DOUBLE if aggregate == "avg" else measure.type
