"""The text of the DuckDB query that reads a table: both tiers, each row once, the latest of each key.

Pure: the input is a `TableView` that a snapshot has pinned, the output is SQL. The rule by which no row is missing or
counted twice: rows with times ≥ `whole_from_ns` are read from RAM only; earlier ones from the pinned magnetic version,
and those beyond its positions from RAM, or from the tails of other owners. Of rows with equal keys the highest
(version, partition, sequence) is valid; this is checked only at times at which the store has superseded a row.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from store import layout
from store.catalog.schema import Column, TableSchema, names
from store.catalog.zones import zone_sql
from store.engine.duck import quote_text
from store.magnetic.data_files import DataFiles
from store.magnetic.parquet import DataFile
from store.magnetic.tier import Version
from store.memory.members import Members
from store.memory.newness import NEVER_NS
from store.memory.rollups import Rollups
from store.memory.tier import Chunk
from store.record import Int64s, SeriesIndex
from store.sequence import OFFSET_BITS

END_OF_TIME_NS = 2**63 - 1
Relation: TypeAlias = Callable[[Sequence[DataFile], Sequence[Column]], str]
_EXTRA = (layout.VERSION, layout.PARTITION, layout.SEQUENCE)


@dataclass(frozen=True, slots=True)
class ChunkView:
    """A chunk at the time of pinning."""

    chunk: Chunk
    rows: int | None  # of an open chunk: its number of rows then
    from_ns: int
    to_ns: int
    measures: Mapping[str, Column]
    last_sequence: Mapping[int, int]  # by partition number

    @property
    def row_count(self) -> int:
        """Its number of rows then."""
        return self.chunk.rows if self.rows is None else self.rows


@dataclass(frozen=True, slots=True)
class BaseVersion:
    """The version that the rows in RAM complete: number and positions, and the version itself if known here."""

    number: int
    positions: Mapping[str, int]
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class MemoryView:
    """The rows in RAM of a table in one store at the time of pinning, to be read together with `version`."""

    series_table: str
    series_columns: frozenset[str]  # physical names of the dimensions, and the zone, in `series_table`
    chunks: tuple[ChunkView, ...]
    whole_from_ns: int  # all later rows of the store's partitions are in RAM
    version: Version
    positions: Mapping[int, int]  # of the version that they complete, by partition number
    superseded_ns: Int64s  # ascending: times at which the version or RAM may have a key twice
    index: SeriesIndex  # of the ids in chunks
    members: Members
    rollups: Rollups
    to_sequence: int | None = None  # rows beyond it were applied after the snapshot began

    @property
    def last_sequence(self) -> int:
        """The highest sequence of these rows; -1 if there are none."""
        return max((last for chunk in self.chunks for last in chunk.last_sequence.values()), default=-1)


@dataclass(frozen=True, slots=True)
class TailView:
    """Rows beyond the version from a partition's owner, as a DuckDB view, with all columns of `_EXTRA` or none.

    It has none if no key can be there twice, and no row is beyond `to_sequence`.
    """

    name: str
    physical: frozenset[str]  # its columns
    to_sequence: int  # rows beyond it were applied after the snapshot began


@dataclass(frozen=True, slots=True)
class TableView:
    """A table at the time of pinning: all that readers need."""

    schema: TableSchema
    memory: tuple[MemoryView, ...]
    whole_from_ns: int  # all later rows are in `memory`
    version: Version
    data: DataFiles
    superseded_ns: Int64s  # ascending
    visible_from_ns: int  # older rows are past their retention
    tails: tuple[TailView, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects rows: times in [from_ns, to_ns), and the series, by ids for RAM and by dimensions for Parquet.

    series        for each of `TableView.memory` the text of an IN list or subquery
    dimensions    and the measure name, by name
    memory_times  text that must be true for the time of a row in RAM; None: any
    """

    from_ns: int = NEVER_NS
    to_ns: int = END_OF_TIME_NS
    series: Sequence[str] | None = None
    dimensions: Mapping[str, Collection[str]] | None = None
    memory_times: str | None = None


def text(view: TableView, selection: Selection, superseded: str | None, relation: Relation) -> str:
    """The query in parentheses. `superseded` is the text of an IN list of superseded times, None if there are none.

    `relation` returns the SQL after FROM for the rows of files, on the cursor that will run it.
    """
    if not view.schema.stored:
        return _standing(view, selection, superseded, relation, extra=False)
    rows = _standing(view, selection, superseded, relation, extra=True)
    given = ", ".join(f"{column.expression} AS {column.quoted}" for column in view.schema.columns if column.expression)
    return f"(SELECT *{', ' if given else ''}{given} FROM {rows})"


def memory_by_series(view: TableView, selection: Selection) -> list[str]:
    """For each of `TableView.memory` the query for its selected rows, each once; "" if there are none.

    Rows have the ids of their series instead of dimensions, and stored columns only. The selection must leave out
    superseded times.
    """
    from_ns = max(selection.from_ns, view.visible_from_ns)
    parts = [
        _chunks_rows(view.schema, view.whole_from_ns, memory, _of_memory(selection, number, from_ns), extra=False)
        for number, memory in enumerate(view.memory)
    ]
    return [f"({' UNION ALL '.join(of)})" if of else "" for of in parts]


def may_have_rows_elsewhere(view: TableView, selection: Selection) -> bool:
    """Whether files or other processes may have selected rows."""
    from_ns, to_ns = max(selection.from_ns, view.visible_from_ns), min(selection.to_ns, view.whole_from_ns)
    return bool(view.tails) or (from_ns < to_ns and bool(view.version.files_in(from_ns, to_ns)))


def _standing(view: TableView, selection: Selection, superseded: str | None, relation: Relation, *, extra: bool) -> str:
    """The valid rows, with their stored columns, and those of `_EXTRA` if requested."""
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
    """The query over Parquet files (`magnetic.data_files`): `columns`, version, partition, sequence. `zone`: SQL."""
    selected = ", ".join(_magnetic_column(column, zone) for column in columns)
    return f"SELECT {selected}, {_quoted(_EXTRA)} FROM {relation} WHERE {where}"


def magnetic_times(from_ns: int, to_ns: int) -> list[str]:
    """Conditions for times in [from_ns, to_ns) on Parquet rows: on `time`, for pruning, and exact."""
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


def _rows(view: TableView, selection: Selection, relation: Relation, *, extra: bool) -> str:
    from_ns = max(selection.from_ns, view.visible_from_ns)
    chunks = [
        _chunks_rows(view.schema, view.whole_from_ns, memory, _of_memory(selection, number, from_ns), extra=extra)
        for number, memory in enumerate(view.memory)
    ]
    parts = [_with_series(view.schema, *of, extra=extra) for of in zip(view.memory, chunks, strict=True)]
    if from_ns < view.whole_from_ns:
        parts.append(_magnetic_rows(view, selection, from_ns, relation, extra=extra))
    parts += [_tail_rows(view, tail, extra=extra) for tail in view.tails]
    return " UNION ALL ".join(part for part in parts if part) or _no_rows(view.schema, extra=extra)


def _no_rows(schema: TableSchema, *, extra: bool) -> str:
    typed = [f"NULL::{column.duck_type} AS {column.quoted}" for column in schema.scanned]
    typed += [f'NULL::BIGINT AS "{name}"' for name in _EXTRA] if extra else []
    return f"SELECT {', '.join(typed)} WHERE false"


def beyond(schema: TableSchema, memory: MemoryView, selection: Selection) -> str:
    """The query for the rows in RAM beyond the version's positions, of all chunks, with all columns of `_EXTRA`."""
    return in_memory(schema, memory, selection, END_OF_TIME_NS, extra=True) or _no_rows(schema, extra=True)


def in_memory(
    schema: TableSchema, memory: MemoryView, selection: Selection, whole_from_ns: int, *, extra: bool
) -> str | None:
    """The query for the selected rows in RAM that are beyond the version's positions, or not before `whole_from_ns`.

    With all columns of `_EXTRA`, if requested; None if there are no such rows.
    """
    of_memory = _of_memory(selection, 0, selection.from_ns)
    chunks = _chunks_rows(schema, whole_from_ns, memory, of_memory, extra=extra)
    return _with_series(schema, memory, chunks, extra=extra) or None


def only_columns(schema: TableSchema, columns: Collection[str] | None, *, with_keys: bool) -> TableSchema:
    """The schema with these stored columns (physical names; None: all), and those of keys, if `with_keys`.

    All if some columns that readers see are computed from others.
    """
    if columns is None or schema.stored:
        return schema
    kept = [
        column
        for column in schema.columns
        if column.physical in columns
        or column.kind == "time"
        or (with_keys and column.kind in {"dimension", "measure_name"})
    ]
    return replace(schema, columns=tuple(kept))


@dataclass(frozen=True, slots=True)
class _OfMemory:
    """The selection for the rows in RAM of one store."""

    from_ns: int
    to_ns: int
    series: str | None
    times: str | None


def _of_memory(selection: Selection, number: int, from_ns: int) -> _OfMemory:
    series = None if selection.series is None else selection.series[number]
    return _OfMemory(from_ns, selection.to_ns, series, selection.memory_times)


def _tail_rows(view: TableView, tail: TailView, *, extra: bool) -> str:
    values = [
        column.quoted if column.physical in tail.physical else f"NULL::{column.duck_type} AS {column.quoted}"
        for column in view.schema.scanned
    ]
    listed = ", ".join([*values, *([_quoted(_EXTRA)] if extra else [])])
    where = f' WHERE "{layout.SEQUENCE}" <= {tail.to_sequence}' if layout.SEQUENCE in tail.physical else ""
    return f"SELECT {listed} FROM {tail.name}{where}"


def _chunks_rows(
    schema: TableSchema,
    whole_from_ns: int,
    memory: MemoryView,
    selection: _OfMemory,
    *,
    extra: bool,
) -> list[str]:
    parts = []
    for chunk in memory.chunks:
        if chunk.to_ns < selection.from_ns or chunk.from_ns >= selection.to_ns:
            continue
        conditions = _within(memory, chunk, selection)
        if max(chunk.from_ns, selection.from_ns) < whole_from_ns:
            wanted = beyond_version(memory, chunk)
            if chunk.to_ns >= whole_from_ns:
                wanted.insert(0, f'"{layout.TIME_NS}" >= {whole_from_ns}')
            if not wanted:
                continue
            conditions.append(f"({' OR '.join(wanted)})")
        parts.append(_chunk_rows(schema, chunk, conditions, extra=extra))
    return parts


def _chunk_rows(schema: TableSchema, chunk: ChunkView, conditions: Sequence[str], *, extra: bool) -> str:
    values = [
        column.quoted if column.physical in chunk.measures else f"NULL::{column.duck_type} AS {column.quoted}"
        for column in schema.scanned
        if column.kind == "measure"
    ]
    fixed = [f'"{layout.SERIES_ID}"', f'"{layout.TIME_NS}"', *([f'"{name}"' for name in _EXTRA] if extra else [])]
    where = " AND ".join(conditions) or "true"
    return f"SELECT {', '.join([*fixed, *values])} FROM {chunk.chunk.name} WHERE {where}"


def _with_series(schema: TableSchema, memory: MemoryView, parts: Sequence[str], *, extra: bool) -> str:
    """Rows of chunks with the dimensions of their series, if columns are among these; empty if there are no parts."""
    if not parts:
        return ""
    select = ", ".join(_column_with_series(memory, column) for column in schema.scanned)
    if extra:
        select += ", " + ", ".join(f'r."{name}"' for name in _EXTRA)
    rows = f"SELECT {select} FROM ({' UNION ALL '.join(parts)}) r"
    if not any(column.kind in {"dimension", "zone", "measure_name"} for column in schema.scanned):
        return rows  # planning a join takes DuckDB 0.8 ms
    return f'{rows} JOIN {memory.series_table} s ON r."{layout.SERIES_ID}" = s."{layout.SERIES_ID}"'


def _column_with_series(memory: MemoryView, column: Column) -> str:
    if column.kind not in {"dimension", "zone"}:
        return f"{'s' if column.kind == 'measure_name' else 'r'}.{column.quoted}"
    is_there = column.physical in memory.series_columns
    return f"s.{column.quoted}" if is_there else f"NULL::VARCHAR AS {column.quoted}"


def _within(memory: MemoryView, chunk: ChunkView, selection: _OfMemory) -> list[str]:
    """Conditions for the selected rows of a chunk at the time of pinning."""
    conditions = []
    if chunk.from_ns < selection.from_ns:
        conditions.append(f'"{layout.TIME_NS}" >= {selection.from_ns}')
    if chunk.to_ns >= selection.to_ns:
        conditions.append(f'"{layout.TIME_NS}" < {selection.to_ns}')
    if chunk.rows is not None:
        conditions.append(f"rowid < {chunk.rows}")
    if memory.to_sequence is not None and max(chunk.last_sequence.values(), default=-1) > memory.to_sequence:
        conditions.append(f'"{layout.SEQUENCE}" <= {memory.to_sequence}')
    if selection.series is not None:
        conditions.append(f'"{layout.SERIES_ID}" IN ({selection.series})')
    if selection.times is not None:
        conditions.append(selection.times)
    return conditions


def beyond_version(memory: MemoryView, chunk: ChunkView) -> list[str]:
    """Conditions, of which one must be true, for the rows of a chunk beyond the version."""
    first = {partition: (memory.positions.get(partition, -1) + 1) << OFFSET_BITS for partition in chunk.last_sequence}
    return [
        f'("{layout.PARTITION}" = {partition} AND "{layout.SEQUENCE}" >= {first[partition]})'
        for partition, last in chunk.last_sequence.items()
        if last >= first[partition]
    ]


def _magnetic_rows(view: TableView, selection: Selection, from_ns: int, relation: Relation, *, extra: bool) -> str:
    to_ns = min(selection.to_ns, view.whole_from_ns)
    files = view.version.files_in(from_ns, to_ns)
    if not files:
        return ""
    conditions = magnetic_times(from_ns, to_ns)
    by_name = view.schema.selecting
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
