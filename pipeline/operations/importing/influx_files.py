"""Files in InfluxDB's line protocol, plain or gzip, as tables: a column for each tag and each field."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.base.errors import ImportFailed
from pipeline.operations.importing.conversion import UNIT_NS
from pipeline.operations.importing.line_protocol import Point, points
from pipeline.operations.importing.plan import Plan
from pipeline.operations.importing.source_files import CHUNK_ROWS, SourceFile, faults_of
from store.record import MeasureType

MEASUREMENT, TIME = "measure_name", "time"
_TIMESTAMP = pa.timestamp("ns")
_INT64 = 2**63


@dataclass(slots=True)
class _Columns:
    """The columns of the points so far: tags, and fields with their types."""

    tags: dict[str, list[str | None]] = field(default_factory=dict)
    fields: dict[str, list[Any]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)


class InfluxReading:
    """See `Reading`. Its columns come with the lines, so its plan is not used: what a line has says what it is."""

    def __init__(self, file: SourceFile, precision: str) -> None:
        self._file = file
        self._unit_ns = UNIT_NS[precision]
        self._types: dict[str, MeasureType] = {}

    def columns(self) -> Mapping[str, pa.DataType]:
        """See `Reading`; of all lines, so the file is read."""
        tags: dict[str, None] = {}
        for _ in self._tables(tags):
            pass
        fields = {name: kind.arrow for name, kind in self._types.items()}
        return {**dict.fromkeys(tags, pa.string()), MEASUREMENT: pa.string(), TIME: _TIMESTAMP, **fields}

    def count(self) -> None:
        """See `Reading`."""

    def tables(self, plan: Plan) -> Iterator[pa.Table]:
        """See `Reading`."""
        for table in self._tables({}):
            for name in plan.columns:
                if name not in table.column_names:
                    kind = self._types[name].arrow if name in self._types else pa.string()
                    table = table.append_column(name, pa.nulls(len(table), kind))  # noqa: PLW2901
            yield table.select(plan.columns)

    def _tables(self, tags: dict[str, None]) -> Iterator[pa.Table]:
        """The rows; all tags so far are entered into `tags`."""
        with faults_of(self._file), self._file.open() as stream:
            lines = io.TextIOWrapper(stream, "utf-8", newline="\n")
            columns = _Columns()
            try:
                for number, found in points(lines):
                    self._add(columns, found, number)
                    if len(columns.names) == CHUNK_ROWS:
                        tags.update(dict.fromkeys(columns.tags))
                        yield self._table(columns)
                        columns = _Columns()
            except (ValueError, UnicodeDecodeError) as error:
                raise ImportFailed(f"{self._file.name}: {error}") from error
            tags.update(dict.fromkeys(columns.tags))
            if columns.names:
                yield self._table(columns)

    def _add(self, columns: _Columns, found: Point, number: int) -> None:
        measurement, tags, fields, time = found
        if time is None:
            raise ValueError(f"line {number}: it has no time")
        row = len(columns.names)
        columns.names.append(measurement)
        time_ns = time * self._unit_ns
        if not -_INT64 <= time_ns < _INT64:
            raise ValueError(
                f"line {number}: the time {time} is not within 1677 and 2262 in the unit that --precision says"
            )
        columns.times_ns.append(time_ns)
        for tag, text in tags.items():
            _put(columns.tags, tag, row, text)
        for name, (kind, value) in fields.items():
            known = self._types.setdefault(name, kind)
            if known is not kind:
                raise ValueError(
                    f"line {number}: the field {name} is a {kind.value}, and was a {known.value} before: a measure of "
                    "a table has one type; import the measurements into tables of their own"
                )
            _put(columns.fields, name, row, value)

    def _table(self, columns: _Columns) -> pa.Table:
        rows = len(columns.names)
        arrays: dict[str, pa.Array] = {
            name: pa.array(_filled(values, rows), pa.string()).dictionary_encode()
            for name, values in columns.tags.items()
        }
        arrays[MEASUREMENT] = pa.array(columns.names).dictionary_encode()
        arrays[TIME] = pa.array(columns.times_ns, _TIMESTAMP)
        for name, values in columns.fields.items():
            arrays[name] = pa.array(_filled(values, rows), self._types[name].arrow)
        return pa.table(arrays)


def _put(columns: dict[str, list[Any]], name: str, row: int, value: object) -> None:
    values = columns.setdefault(name, [])
    values += [None] * (row - len(values))
    values.append(value)


def _filled(values: list[Any], rows: int) -> list[Any]:
    return values + [None] * (rows - len(values))
