"""The text of the DuckDB query that reads a table: both tiers, each row once, the latest of each key.

Pure: a `TableView` pinned by a snapshot in, SQL out. The rule that counts nothing twice and misses nothing: with
times ≥ `whole_from_ns` rows are read from RAM alone; earlier ones from the pinned magnetic version, and from RAM
those beyond its position. Of rows with equal keys the highest (version, stream, sequence) stands; only times at which
the store has superseded a row are looked at for that.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from store import layout
from store.catalog.schema import Column, TableSchema, names
from store.catalog.zones import zone_sql
from store.engine.duck import quote_text
from store.magnetic.data_files import DataFiles
from store.magnetic.parquet import DataFile
from store.magnetic.tier import Version
from store.memory.newness import NEVER_NS
from store.memory.sequencer import OFFSET_BITS
from store.memory.tier import Chunk
from store.record import Int64s

END_OF_TIME_NS = 2**63 - 1
Relation: TypeAlias = Callable[[Sequence[DataFile], Sequence[Column]], str]
_EXTRA = (layout.VERSION, layout.STREAM, layout.SEQUENCE)


@dataclass(frozen=True, slots=True)
class ChunkView:
    """A chunk as it was when pinned."""

    chunk: Chunk
    rows: int | None  # of an open chunk: how many it had
    from_ns: int
    to_ns: int
    measures: Mapping[str, Column]
    streams: tuple[int, ...]
    last_sequence: int


@dataclass(frozen=True, slots=True)
class TailView:
    """Rows beyond the version that a partition's owner gave, as a DuckDB view with all of `_EXTRA`."""

    name: str
    physical: frozenset[str]  # the columns it has
    to_sequence: int  # rows beyond were applied after the snapshot began


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as it was when pinned: what a reader needs to know of it."""

    schema: TableSchema
    series_table: str
    chunks: tuple[ChunkView, ...]
    whole_from_ns: int
    version: Version
    data: DataFiles
    positions: Mapping[int, int]  # of `version`, by stream number
    superseded_ns: Int64s  # ascending
    visible_from_ns: int  # older rows are past their retention
    tails: tuple[TailView, ...] = ()

    @classmethod
    def of_shared(
        cls,
        schema: TableSchema,
        version: Version,
        data: DataFiles,
        superseded_ns: Int64s,
        visible_from_ns: int,
        tails: tuple[TailView, ...],
    ) -> TableView:
        """A table of which nothing is in this process's RAM but what the owners of its partitions have given."""
        return cls(schema, "", (), END_OF_TIME_NS, version, data, {}, superseded_ns, visible_from_ns, tails)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: times in [from_ns, to_ns), and the series, by ids for RAM and by dimensions for Parquet."""

    from_ns: int = NEVER_NS
    to_ns: int = END_OF_TIME_NS
    series: str | None = None  # text of an IN list or subquery
    dimensions: Mapping[str, Collection[str]] | None = None


def text(view: TableView, selection: Selection, superseded: str | None, relation: Relation) -> str:
    """The parenthesised query. `superseded` is the text of an IN list of superseded times, None if none is in range.

    `relation` gives what the rows of files are selected from, on the cursor that will run it.
    """
    if not view.schema.stored:
        return _standing(view, selection, superseded, relation, extra=False)
    rows = _standing(view, selection, superseded, relation, extra=True)
    given = ", ".join(f"{column.expression} AS {column.quoted}" for column in view.schema.columns if column.expression)
    return f"(SELECT *{', ' if given else ''}{given} FROM {rows})"


def _standing(view: TableView, selection: Selection, superseded: str | None, relation: Relation, *, extra: bool) -> str:
    """The rows that stand, with their stored columns, and `_EXTRA` where that is wanted."""
    if superseded is None:
        return f"({_rows(view, selection, relation, extra=extra)})"
    rows = _rows(view, selection, relation, extra=True)
    columns = view.schema.scanned
    key = [column for column in columns if column.kind in {"dimension", "measure_name", "time"}]
    order = ", ".join(f'"{name}" DESC' for name in _EXTRA)
    listed = names(columns) + (f", {_quoted(_EXTRA)}" if extra else "")
    return (
        f'(SELECT {listed} FROM ({rows}) WHERE "{layout.TIME_NS}" NOT IN ({superseded}) UNION ALL '
        f"SELECT {listed} FROM (SELECT *, row_number() OVER (PARTITION BY {names(key)} ORDER BY {order}) "
        f'AS "_rank" FROM ({rows}) WHERE "{layout.TIME_NS}" IN ({superseded})) WHERE "_rank" = 1)'
    )


def magnetic_rows(relation: str, columns: Sequence[Column], where: str, zone: str | None = None) -> str:
    """The query over Parquet files (`magnetic.data_files`): `columns`, version, stream, sequence. `zone`: its SQL."""
    selected = ", ".join(_magnetic_column(column, zone) for column in columns)
    return f"SELECT {selected}, {_quoted(_EXTRA)} FROM {relation} WHERE {where}"


def magnetic_times(from_ns: int, to_ns: int) -> list[str]:
    """Conditions for times in [from_ns, to_ns) on Parquet rows: on `time`, which prunes, and exact."""
    conditions = []
    exact = f'epoch_us("{layout.TIME}") * 1000 + "{layout.TIME_REST}"'
    if from_ns > NEVER_NS:
        conditions.append(f'"{layout.TIME}" >= make_timestamptz({from_ns // 1000})')
        if from_ns % 1000:
            conditions.append(f"{exact} >= {from_ns}")
    if to_ns < END_OF_TIME_NS:
        conditions.append(f'"{layout.TIME}" <= make_timestamptz({(to_ns - 1) // 1000})')
        if to_ns % 1000:
            conditions.append(f"{exact} < {to_ns}")
    return conditions


def files_in_range(view: TableView, from_ns: int, to_ns: int) -> list[DataFile]:
    """The files of the pinned version that may hold rows with times in [from_ns, to_ns)."""
    return [file for file in view.version.files if file.to_ns >= from_ns and file.from_ns < to_ns]


def _rows(view: TableView, selection: Selection, relation: Relation, *, extra: bool) -> str:
    from_ns = max(selection.from_ns, view.visible_from_ns)
    parts = [_memory_rows(view, selection, from_ns, extra=extra)]
    if from_ns < view.whole_from_ns:
        parts.append(_magnetic_rows(view, selection, from_ns, relation, extra=extra))
    parts += [_tail_rows(view, tail, extra=extra) for tail in view.tails]
    return " UNION ALL ".join(part for part in parts if part) or _no_rows(view, extra=extra)


def _no_rows(view: TableView, *, extra: bool) -> str:
    typed = [f"NULL::{column.duck_type} AS {column.quoted}" for column in view.schema.scanned]
    typed += [f'NULL::BIGINT AS "{name}"' for name in _EXTRA] if extra else []
    return f"SELECT {', '.join(typed)} WHERE false"


def beyond(view: TableView, selection: Selection) -> str:
    """The query for the rows in RAM beyond the version's positions, in whatever chunk, with all of `_EXTRA`."""
    parts = []
    for chunk in view.chunks:
        if chunk.to_ns < selection.from_ns or chunk.from_ns >= selection.to_ns:
            continue
        lacked = " OR ".join(_beyond(view, chunk)) or "false"
        conditions = [*_within(chunk, selection, selection.from_ns), f"({lacked})"]
        parts.append(_chunk_rows(view, chunk, conditions, extra=True))
    return _with_series(view, parts, extra=True) or _no_rows(view, extra=True)


def _tail_rows(view: TableView, tail: TailView, *, extra: bool) -> str:
    values = [
        column.quoted if column.physical in tail.physical else f"NULL::{column.duck_type} AS {column.quoted}"
        for column in view.schema.scanned
    ]
    listed = ", ".join([*values, *([_quoted(_EXTRA)] if extra else [])])
    return f'SELECT {listed} FROM {tail.name} WHERE "{layout.SEQUENCE}" <= {tail.to_sequence}'


def _memory_rows(view: TableView, selection: Selection, from_ns: int, *, extra: bool) -> str:
    parts = []
    for chunk in view.chunks:
        if chunk.to_ns < from_ns or chunk.from_ns >= selection.to_ns:
            continue
        if chunk.chunk.sealed and chunk.to_ns < view.whole_from_ns:
            continue
        parts.append(_chunk_rows(view, chunk, _chunk_conditions(view, chunk, selection, from_ns), extra=extra))
    return _with_series(view, parts, extra=extra)


def _chunk_rows(view: TableView, chunk: ChunkView, conditions: Sequence[str], *, extra: bool) -> str:
    values = [
        column.quoted if column.physical in chunk.measures else f"NULL::{column.duck_type} AS {column.quoted}"
        for column in view.schema.scanned
        if column.kind == "measure"
    ]
    fixed = [f'"{layout.SERIES_ID}"', f'"{layout.TIME_NS}"', *([f'"{name}"' for name in _EXTRA] if extra else [])]
    where = " AND ".join(conditions) or "true"
    return f"SELECT {', '.join([*fixed, *values])} FROM {chunk.chunk.name} WHERE {where}"


def _with_series(view: TableView, parts: Sequence[str], *, extra: bool) -> str:
    """Rows of chunks with the dimensions of their series; empty where there is no part."""
    if not parts:
        return ""
    select = ", ".join(
        f"{'s' if column.kind in {'dimension', 'zone', 'measure_name'} else 'r'}.{column.quoted}"
        for column in view.schema.scanned
    )
    if extra:
        select += ", " + ", ".join(f'r."{name}"' for name in _EXTRA)
    return (
        f"SELECT {select} FROM ({' UNION ALL '.join(parts)}) r "
        f'JOIN {view.series_table} s ON r."{layout.SERIES_ID}" = s."{layout.SERIES_ID}"'
    )


def _chunk_conditions(view: TableView, chunk: ChunkView, selection: Selection, from_ns: int) -> list[str]:
    conditions = _within(chunk, selection, from_ns)
    if max(chunk.from_ns, from_ns) < view.whole_from_ns:
        whole = f'"{layout.TIME_NS}" >= {view.whole_from_ns}'
        conditions.append(f"({' OR '.join([whole, *([] if chunk.chunk.sealed else _beyond(view, chunk))])})")
    return conditions


def _within(chunk: ChunkView, selection: Selection, from_ns: int) -> list[str]:
    """Conditions for the rows of a chunk as it was pinned that are selected."""
    conditions = []
    if chunk.from_ns < from_ns:
        conditions.append(f'"{layout.TIME_NS}" >= {from_ns}')
    if chunk.to_ns >= selection.to_ns:
        conditions.append(f'"{layout.TIME_NS}" < {selection.to_ns}')
    if chunk.rows is not None:
        conditions.append(f"rowid < {chunk.rows}")
    if selection.series is not None:
        conditions.append(f'"{layout.SERIES_ID}" IN ({selection.series})')
    return conditions


def _beyond(view: TableView, chunk: ChunkView) -> list[str]:
    """Conditions, any of them, for the rows of a chunk that the version lacks."""
    return [
        f'("{layout.STREAM}" = {stream} AND "{layout.SEQUENCE}" >= '
        f"{(view.positions.get(stream, -1) + 1) << OFFSET_BITS})"
        for stream in chunk.streams
    ]


def _magnetic_rows(view: TableView, selection: Selection, from_ns: int, relation: Relation, *, extra: bool) -> str:
    to_ns = min(selection.to_ns, view.whole_from_ns)
    files = files_in_range(view, from_ns, to_ns)
    if not files:
        return ""
    conditions = magnetic_times(from_ns, to_ns)
    by_name = {column.name: column for column in view.schema.scanned if column.kind == "dimension"}
    for name, values in (selection.dimensions or {}).items():
        listed = ", ".join(quote_text(value) for value in sorted(values))
        conditions.append(f"{by_name[name].quoted} IN ({listed})" if name in by_name and values else "false")
    columns = view.schema.scanned
    stored = next((column for column in columns if column.kind == "zone"), None)
    zone = None if stored is None else zone_sql(view.schema.settings.zone, columns, stored)
    rows = magnetic_rows(relation(files, columns), columns, " AND ".join(conditions) or "true", zone)
    return rows if extra else f"SELECT {names(view.schema.scanned)} FROM ({rows})"


def _magnetic_column(column: Column, zone: str | None) -> str:
    if column.kind == "zone" and zone is not None:
        return f"{zone} AS {column.quoted}"
    if column.kind == "time":
        return f'epoch_us("{layout.TIME}") * 1000 + "{layout.TIME_REST}" AS "{layout.TIME_NS}"'
    return column.quoted


def _quoted(physical: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in physical)
