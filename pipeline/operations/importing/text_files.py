"""CSV and JSON lines, plain or gzip. Without a type that is told, a number is a double, as everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv
import pyarrow.json

from pipeline.operations.importing.mapping import OfColumn
from pipeline.operations.importing.plan import Plan
from pipeline.operations.importing.source_files import SourceFile, columns_of, faults_of, in_chunks, with_added
from store.record import MeasureType

_BLOCK_BYTES = 4 << 20  # also the longest line that is possible


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The form of CSV files: `columns` with their types (None for a type: it is guessed) if they have no header."""

    delimiter: str = ","
    escape: str | None = None
    columns: Mapping[str, pa.DataType] | None = None


class CsvReading:
    """See `Reading`. An empty cell is null, two quotes are an empty text."""

    def __init__(self, file: SourceFile, form: CsvForm) -> None:
        self._file = file
        self._form = form

    def columns(self) -> Mapping[str, pa.DataType]:
        """See `Reading`."""
        added = dict.fromkeys(self._file.added, pa.string())
        if self._form.columns is not None:
            return {**self._form.columns, **added}
        with faults_of(self._file), self._file.open() as stream, self._reader(stream, {}, None) as reader:
            found = columns_of(reader.schema, self._file)
            return {**{name: _usual(kind) for name, kind in found.items()}, **added}

    def count(self) -> None:
        """See `Reading`."""

    def tables(self, plan: Plan) -> Iterator[pa.Table]:
        """See `Reading`."""
        wanted = [name for name in plan.columns if name not in self._file.added]
        types = {name: kind for name, kind in column_types(plan).items() if name in wanted}
        with faults_of(self._file), self._file.open() as stream, self._reader(stream, types, wanted) as reader:
            for table in in_chunks(reader, reader.schema):
                yield with_added(table, self._file.added, plan.columns)

    def _reader(
        self, stream: pa.NativeFile, types: Mapping[str, pa.DataType], wanted: Sequence[str] | None
    ) -> pa.csv.CSVStreamingReader:
        form = self._form
        return pa.csv.open_csv(
            stream,
            pa.csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=None if form.columns is None else [*form.columns]),
            pa.csv.ParseOptions(
                delimiter=form.delimiter,
                escape_char=form.escape or False,
                double_quote=form.escape is None,
                newlines_in_values=True,
            ),
            pa.csv.ConvertOptions(
                column_types=dict(types),
                include_columns=wanted,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                timestamp_parsers=[],
            ),
        )


class JsonReading:
    """See `Reading`. Each line is an object; what the first lines do not have is not there."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file

    def columns(self) -> Mapping[str, pa.DataType]:
        """See `Reading`."""
        with faults_of(self._file), self._file.open() as stream, self._reader(stream, None) as reader:
            return {of.name: _usual(of.type) for of in reader.schema}

    def count(self) -> None:
        """See `Reading`."""

    def tables(self, plan: Plan) -> Iterator[pa.Table]:
        """See `Reading`."""
        types = column_types(plan)
        found = self.columns()
        schema = pa.schema([(name, types.get(name, found[name])) for name in plan.columns])
        with faults_of(self._file), self._file.open() as stream, self._reader(stream, schema) as reader:
            for table in in_chunks(reader, reader.schema):
                yield table.select(plan.columns)

    def _reader(self, stream: pa.NativeFile, schema: pa.Schema | None) -> pa.json.JSONStreamingReader:
        return pa.json.open_json(
            stream,
            pa.json.ReadOptions(block_size=_BLOCK_BYTES),
            pa.json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="infer" if schema is None else "ignore"
            ),
        )


def column_types(plan: Plan) -> dict[str, pa.DataType]:
    """The types in which the columns of a text are read: times as text, or as whole numbers if they have a unit."""
    types: dict[str, pa.DataType] = dict.fromkeys(plan.dimensions, pa.string())
    for column, (_, kind) in plan.measures.items():
        types[column] = pa.string() if kind is MeasureType.TIMESTAMP else kind.arrow
    if isinstance(plan.measure_name, OfColumn):
        types[plan.measure_name.column] = pa.string()
    if isinstance(plan.version, OfColumn):
        types[plan.version.column] = pa.int64()
    types[plan.time] = pa.string() if plan.unit is None else pa.int64()
    return types


def _usual(kind: pa.DataType) -> pa.DataType:
    """The type of a column that nobody told, given what its first values look like."""
    if pa.types.is_integer(kind):
        return pa.float64()
    return pa.string() if pa.types.is_temporal(kind) or pa.types.is_null(kind) else kind
