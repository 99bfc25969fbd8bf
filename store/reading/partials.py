"""Partial aggregates: what each part of a table says of its rows, so that aggregates of all can be merged from them.

The parts are the rows that one process has: an owner sends a row for each group of its rows, not the rows. A key that
is there twice, in files and in RAM, is known by its time only (`superseded_ns`), so rows of these times are sent as
rows. Merged are counts, sums, least and greatest values and times: whole numbers exactly, sums of doubles in another
order of additions, which changes their last bits.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from store import layout
from store.catalog.schema import TableSchema
from store.engine.duck import Cursor, quote_text, run
from store.reading.scan import MemoryView, Selection, beyond
from store.record import Int64s

ROWS, FIRST, LAST = "rows", "first", "last"
GROUP, COUNT, TOTAL, LEAST, GREATEST = "group", "count", "total", "least", "greatest"
_MOST_TIMES = 1_000  # superseded ones in the text of a query
WORTH = 2  # rows for each row of partial aggregates; with fewer, rows are sent


class Partials(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which partial aggregates: of rows with the same values of some columns, in the same slot of time.

    Columns are named physically. Part of the requests between workers: a worker that does not know one of these
    members must not be sent it.

    by        dimensions, the zone, the measure name
    grain_ns  the length of slots since 1970; None: time makes no groups
    measures  doubles and bigints whose values are aggregated
    among     only rows that have one of these values in each of these columns
    """

    by: tuple[str, ...]
    grain_ns: int | None
    measures: tuple[str, ...]
    among: Mapping[str, tuple[str, ...]] = {}


def partials_text(of: Partials, schema: TableSchema, rows: str) -> str:
    """The query for the partial aggregates of `rows`, the text of a subquery with these columns of `schema`.

    Its columns: the start of the slot, `GROUP`, `ROWS`, `FIRST` and `LAST` time, then for each measure `COUNT`,
    `TOTAL`, `LEAST` and `GREATEST`, followed by the place of the column in `of`.
    """
    time, quoted = f'"{layout.TIME_NS}"', {column.physical: column.quoted for column in schema.scanned}
    grain_ns = of.grain_ns
    slot = "0::BIGINT" if grain_ns is None else f"{time} - (({time} % {grain_ns}) + {grain_ns}) % {grain_ns}"
    columns = [f"{slot} AS {time}", *(f"{quoted[name]} AS {GROUP}{place}" for place, name in enumerate(of.by))]
    columns += [f"count(*) AS {ROWS}", f"min({time}) AS {FIRST}", f"max({time}) AS {LAST}"]
    for place, value in enumerate(quoted[name] for name in of.measures):
        columns += [f"count({value}) AS {COUNT}{place}", f"sum({value}) AS {TOTAL}{place}"]
        columns += [f"min({value}) AS {LEAST}{place}", f"max({value}) AS {GREATEST}{place}"]
    conditions = [
        f"{quoted[name]} IN ({', '.join(map(quote_text, values))})" if values else "false"
        for name, values in of.among.items()
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    keys = [str(place + 1) for place in range(grain_ns is None, len(of.by) + 1)]
    return f"SELECT {', '.join(columns)} FROM {rows}{where}" + (f" GROUP BY {', '.join(keys)}" if keys else "")


def is_known(of: Partials, schema: TableSchema) -> bool:
    """Whether the table has all columns that are asked for; another worker may have added one just now."""
    there = {column.physical for column in schema.scanned}
    return not schema.stored and there.issuperset((*of.by, *of.measures, *of.among))


def beyond_in_parts(
    cursor: Cursor, schema: TableSchema, memory: MemoryView, selection: Selection, of: Partials, superseded_ns: Int64s
) -> tuple[pa.Table, str] | None:
    """Partial aggregates of the selected rows in RAM beyond the version, and the text for the rows that are in none.

    `superseded_ns` are those within the selection. None if rows are no more than partial aggregates would be, or those
    are not possible.
    """
    if not is_known(of, schema) or len(superseded_ns) > _MOST_TIMES:
        return None
    times = ", ".join(map(str, superseded_ns.tolist()))
    rest = replace(selection, memory_times=f'"{layout.TIME_NS}" NOT IN ({times})') if times else selection
    found = run(cursor, partials_text(of, schema, f"({beyond(schema, memory, rest)})"))
    if found.num_rows * WORTH > max(pc.sum(found[ROWS]).as_py() or 0, WORTH):
        return None
    only = replace(selection, memory_times=f'"{layout.TIME_NS}" IN ({times or "NULL"})')
    return found, beyond(schema, memory, only)


def together(texts: Sequence[str]) -> str:
    """The parenthesised query for the partial aggregates of some queries."""
    return f"({' UNION ALL BY NAME '.join(texts)})"
