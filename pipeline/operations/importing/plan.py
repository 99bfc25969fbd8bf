"""What each column of a file becomes: by what the user says, by the table, and by what files usually have.

Pure. In this order: the mapping; the table, where it has a column of the name; then the form of `SELECT *` of
Timestream, where text before `measure_name` is a dimension and everything after it a measure; without a column
`measure_name`, text is a dimension and everything else a measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.base.errors import ConfigError
from pipeline.operations.importing.mapping import FileMapping, Measure, OfColumn
from store.names import SINGLE_MEASURE_PREFIX
from store.record import MeasureType
from store.values.nearest import nearest

MEASURE_NAME, TIME = "measure_name", "time"
ZONE = "zone_name"


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column that the table has: a dimension, the zone, or a measure."""

    name: str
    kind: str
    type: MeasureType


@dataclass(frozen=True, slots=True)
class Plan:
    """What columns become.

    time          its column; `unit` of whole numbers, None: only text or timestamps are possible
    measure_name  of all rows, or the column that has it
    dimensions    column → name
    measures      column → name and type
    version       of all rows, or the column that has it
    left_out      columns that are not stored
    """

    time: str
    unit: str | None
    measure_name: str | OfColumn
    dimensions: Mapping[str, str]
    measures: Mapping[str, tuple[str, MeasureType]]
    version: int | OfColumn
    left_out: Sequence[str]

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        told = [of.column for of in (self.measure_name, self.version) if isinstance(of, OfColumn)]
        return list(dict.fromkeys([self.time, *told, *self.dimensions, *self.measures]))


def plan_for(
    columns: Mapping[str, pa.DataType], mapping: FileMapping, target: Iterable[TargetColumn], where: str
) -> Plan:
    """The plan for files with these columns. Raises ConfigError; `where` names the file in it."""
    _check_there(columns, mapping, where)
    there = {column.name: column for column in target}
    names, forms = mapping.dimension_names(), mapping.measure_forms()
    measure_name = _measure_name(columns, mapping, where)
    used = {mapping.time.column, *names, *forms}
    used |= {of.column for of in (measure_name, mapping.version) if isinstance(of, OfColumn)}
    left_out = [name for name in columns if name in mapping.leave_out]
    order = list(columns)
    named_at = order.index(measure_name.column) if isinstance(measure_name, OfColumn) else len(order)
    measures = {column: _measure(column, form, columns[column], there, where) for column, form in forms.items()}
    for place, column in enumerate(order):
        if column in used or column in left_out:
            continue
        known = there.get(column)
        if known is not None and known.kind == "zone":
            left_out.append(column)  # it is made of dimensions
        elif known.kind == "dimension" if known is not None else _is_text(columns[column]) and place < named_at:
            names[column] = column
        else:
            measures[column] = _measure(column, Measure(), columns[column], there, where)
    if not names:
        raise ConfigError(f"{where}: no column is a dimension; say which by --dimensions; {_listed(columns)}")
    if not measures:
        raise ConfigError(f"{where}: no column is a measure; say which by --measures; {_listed(columns)}")
    version = 1 if mapping.version is None else mapping.version
    return Plan(mapping.time.column, mapping.time.unit, measure_name, names, measures, version, left_out)


def _check_there(columns: Mapping[str, pa.DataType], mapping: FileMapping, where: str) -> None:
    told = [of.column for of in (mapping.measure_name, mapping.version) if isinstance(of, OfColumn)]
    wanted = [mapping.time.column, *told, *mapping.dimension_names(), *mapping.measure_forms()]
    for column in wanted:
        if column not in columns:
            near = nearest(column, columns)
            hint = f"did you mean {near}? " if near else ""
            what = "; --time names that of the time" if column == mapping.time.column else ""
            raise ConfigError(f"{where} has no column {column}: {hint}{_listed(columns)}{what}")
    twice = [column for column in mapping.dimension_names() if column in mapping.measure_forms()]
    if twice:
        raise ConfigError(f"the column {twice[0]} cannot be both a dimension and a measure")


def _measure_name(columns: Mapping[str, pa.DataType], mapping: FileMapping, where: str) -> str | OfColumn:
    if mapping.measure_name is not None:
        return mapping.measure_name
    if MEASURE_NAME in columns:
        return OfColumn(MEASURE_NAME)
    raise ConfigError(f"{where} has no column {MEASURE_NAME}: say by --measure-name which name its rows have")


def _measure(
    column: str, form: Measure, kind: pa.DataType, there: Mapping[str, TargetColumn], where: str
) -> tuple[str, MeasureType]:
    name = form.as_ or column
    known = there.get(name)
    if form.type is not None:
        return name, form.type
    if name.startswith(SINGLE_MEASURE_PREFIX):
        return name, MeasureType(name.removeprefix(SINGLE_MEASURE_PREFIX))
    return name, known.type if known is not None and known.kind == "measure" else _type_of(column, kind, where)


def _type_of(column: str, kind: pa.DataType, where: str) -> MeasureType:
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return MeasureType.DOUBLE
    if pa.types.is_integer(kind):
        return MeasureType.BIGINT
    if pa.types.is_boolean(kind):
        return MeasureType.BOOLEAN
    if pa.types.is_timestamp(kind):
        return MeasureType.TIMESTAMP
    if _is_text(kind) or pa.types.is_null(kind):
        return MeasureType.VARCHAR
    raise ConfigError(
        f"{where}: the column {column} has the type {kind}, which cannot be stored; leave it out by --leave-out"
    )


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _listed(columns: Iterable[str]) -> str:
    return f"its columns are {', '.join(columns)}"
