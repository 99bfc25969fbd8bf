"""The columns that readers of a table see: each name once, for all that rows of any time have stored under it. Pure.

The rules: a name is a dimension or a measure of one type. Values that were stored under it in another role or type are
converted to the present one if possible (`as_type`); other values are read under the *sibling* name, `<name>_text` for
text and `<name>_<type>` for other types. Values in another unit are converted to the present one; if there is no
conversion, they are read under `<name>_<unit>`.

Without a decision (`store.catalog.changes`), a measure has the type that was stored first. If a dimension and a measure
have the same name, as a client of WriteRecords and a device may send them, the dimension has the name, and the measure
is read under its sibling name. If a table has zones, `zone_name` is the zone: a measure of that name is read under its
sibling name, a dimension as `zone_name_dimension`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from store import layout
from store.catalog.changes import DIMENSION, MEASURE, ColumnChanges
from store.catalog.document import TableInfo
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, Column, Columns, TableSchema
from store.catalog.units import Conversion, conversion
from store.names import MeasureType
from store.sequence import OFFSET_BITS

_WORDS = {MeasureType.VARCHAR: "text"}
_NUMBER = r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*"
_WHOLE = r"\s*[+-]?[0-9]+\s*"
_EXACT = 2**53  # larger doubles cannot represent all whole numbers
# Pairs of types of which every value of the first is a value of the second
_ALWAYS = {
    (MeasureType.BIGINT, MeasureType.DOUBLE),
    (MeasureType.BOOLEAN, MeasureType.DOUBLE),
    (MeasureType.BOOLEAN, MeasureType.BIGINT),
    (MeasureType.TIMESTAMP, MeasureType.BIGINT),
}


def sibling(name: str, kind: MeasureType) -> str:
    """The name for values of this type that cannot be read under `name`."""
    return f"{name}_{_WORDS.get(kind, kind.value)}"


def as_type(value: str, kind: MeasureType, wanted: MeasureType) -> str:
    """The SQL that converts `value` from type `kind` to type `wanted`; null if there is no such value."""
    match kind, wanted:
        case (MeasureType.DOUBLE, MeasureType.VARCHAR):  # whole numbers in the form that devices send
            whole = f"{value} = trunc({value}) AND abs({value}) < {_EXACT}"
            return f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE CAST({value} AS VARCHAR) END"
        case (MeasureType.TIMESTAMP, MeasureType.VARCHAR):
            moment = f"make_timestamp(CAST(floor({value} / 1000.0) AS BIGINT))"
            return f"strftime({moment}, '%Y-%m-%dT%H:%M:%S.%fZ')"
        case (_, MeasureType.VARCHAR):
            return f"CAST({value} AS VARCHAR)"
        case (MeasureType.VARCHAR, MeasureType.DOUBLE):
            number = f"TRY_CAST({value} AS DOUBLE)"
            return f"CASE WHEN regexp_full_match({value}, '{_NUMBER}') AND isfinite({number}) THEN {number} END"
        case (MeasureType.VARCHAR, MeasureType.BIGINT):
            text = as_type(value, MeasureType.VARCHAR, MeasureType.DOUBLE)
            whole = as_type(f"({text})", MeasureType.DOUBLE, MeasureType.BIGINT)
            return f"CASE WHEN regexp_full_match({value}, '{_WHOLE}') THEN TRY_CAST({value} AS BIGINT) ELSE {whole} END"
        case (MeasureType.VARCHAR, MeasureType.BOOLEAN):
            return f"CASE lower({value}) WHEN 'true' THEN true WHEN 'false' THEN false END"
        case (MeasureType.DOUBLE, MeasureType.BIGINT):
            return f"CASE WHEN {value} = trunc({value}) THEN TRY_CAST({value} AS BIGINT) END"
        case (MeasureType.DOUBLE | MeasureType.BIGINT, MeasureType.BOOLEAN):
            return f"CASE {value} WHEN 0 THEN false WHEN 1 THEN true END"
        case (MeasureType.BIGINT, MeasureType.TIMESTAMP):
            return value
        case _ if (kind, wanted) in _ALWAYS:
            return f"CAST({value} AS {'DOUBLE' if wanted is MeasureType.DOUBLE else 'BIGINT'})"
    return "NULL"  # a timestamp only converts to its nanoseconds, and back


def is_always(kind: MeasureType, wanted: MeasureType) -> bool:
    """Whether every value of type `kind` is also a value of type `wanted`."""
    return kind is wanted or wanted is MeasureType.VARCHAR or (kind, wanted) in _ALWAYS


@dataclass(slots=True)
class _Names:
    """The result so far, by name."""

    dimensions: dict[str, Column] = field(default_factory=dict)
    zone: Column | None = None
    measures: dict[str, Column] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return name in self.dimensions or name in self.measures or self.is_zone(name)

    def is_zone(self, name: str) -> bool:
        return self.zone is not None and name == self.zone.name

    def give(self, name: str, kind: MeasureType, value: str) -> None:
        """Add `value` as the measure `name`, or, if something else has the name, as the next free name."""
        candidate, number = name, 2
        while self.has(candidate):
            known = self.measures.get(candidate)
            if known is not None and known.type is kind:
                both = f"COALESCE({known.expression or known.quoted}, {value})"
                self.measures[candidate] = _derived(known, both)
                return
            candidate, number = f"{name}_{number}", number + 1
        self.measures[candidate] = _derived(Column(candidate, "measure", kind, ""), value)

    def numbered(self) -> tuple[Column, ...]:
        zone = () if self.zone is None else (self.zone,)
        columns = (*self.dimensions.values(), *zone, MEASURE_NAME_COLUMN, TIME_COLUMN, *self.measures.values())
        # Stored columns begin with a letter
        return tuple(
            replace(column, physical=f"_now_{number}") if column.expression else column
            for number, column in enumerate(columns)
        )


def present(
    stored: Columns, changes: ColumnChanges, units: Mapping[str, str], number_of: Callable[[str], int]
) -> tuple[Column, ...]:
    """The columns that readers see, in the order of `SELECT *`.

    `units` are the current units; `number_of` returns the number of a partition in rows.
    """
    names = _Names(zone=stored.zone)
    pending: list[tuple[str, MeasureType, str]] = []
    of_name: dict[str, list[Column]] = {}
    for column in stored.measures.values():
        of_name.setdefault(column.name, []).append(column)
    for name in dict.fromkeys((*stored.dimensions, *of_name)):
        pending += _give(names, name, stored.dimensions.get(name), of_name.get(name, []), changes)
    for name, kind, value in pending:
        names.give(name, kind, value)
    _in_units(names, changes, units, number_of)
    return names.numbered()


def measures_alone(
    stored: Columns, changes: ColumnChanges, units: Mapping[str, str], number_of: Callable[[str], int]
) -> list[Column]:
    """The measures that readers see, of stored measures only: the content of a row besides its series."""
    roles = {name: role for name, role in changes.roles.items() if role != DIMENSION}
    columns = present(Columns.of(stored.measures.values()), replace(changes, roles=roles), units, number_of)
    return [column for column in columns if column.kind == "measure"]


def schema_of(info: TableInfo, stored: Columns, number_of: Callable[[str], int]) -> TableSchema:
    """The schema that readers see."""
    changes, units = info.changes, {**info.changes.units, **info.settings.units}
    if not (stored.has_changed or changes.roles or changes.eras):
        return TableSchema(info.table, stored.all(), info.settings)
    columns = present(stored, changes, units, number_of)
    return TableSchema(info.table, columns, info.settings, stored.all())


def _give(
    names: _Names, name: str, dimension: Column | None, measures: list[Column], changes: ColumnChanges
) -> list[tuple[str, MeasureType, str]]:
    """Add the column of `name`; returns values that it cannot hold, with the names under which to add them."""
    if names.is_zone(name):  # the zone has precedence over values of devices
        if dimension is not None:
            made = replace(dimension, name=f"{name}_{DIMENSION}")
            names.dimensions[made.name] = _derived(made, dimension.quoted)
        return [(sibling(name, measure.type), measure.type, measure.quoted) for measure in measures]
    role = changes.roles.get(name, DIMENSION if dimension is not None else MEASURE)
    if role == DIMENSION or (role == MEASURE and not measures):
        if name not in changes.roles:  # no decision: separate names
            assert dimension is not None
            names.dimensions[name] = dimension
            return [(sibling(name, measure.type), measure.type, measure.quoted) for measure in measures]
        made = dimension or Column(name, "dimension", MeasureType.VARCHAR, measures[0].physical)
        texts = [as_type(measure.quoted, measure.type, MeasureType.VARCHAR) for measure in measures]
        names.dimensions[name] = _first_of(made, dimension, texts)
        return []
    kind = changes.type_of(name) or measures[0].type
    own = next((measure for measure in measures if measure.type is kind), None)
    older = [measure for measure in (*measures, *([dimension] if dimension else [])) if measure is not own]
    if own is None and not older:
        return []
    made = own or Column(name, "measure", kind, older[0].physical)
    names.measures[name] = _first_of(made, own, [as_type(column.quoted, column.type, kind) for column in older])
    return [
        (
            sibling(name, column.type),
            column.type,
            f"CASE WHEN {as_type(column.quoted, column.type, kind)} IS NULL THEN {column.quoted} END",
        )
        for column in older
        if not is_always(column.type, kind)
    ]


def _first_of(made: Column, own: Column | None, others: list[str]) -> Column:
    values = [*([own.quoted] if own else []), *others]
    return made if own and not others else _derived(made, _coalesced(values))


def _coalesced(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"COALESCE({', '.join(values)})"


def _derived(column: Column, expression: str) -> Column:
    return replace(column, expression=f"CAST({expression} AS {column.duck_type})")


def _in_units(names: _Names, changes: ColumnChanges, units: Mapping[str, str], number_of: Callable[[str], int]) -> None:
    """Convert values in earlier units to the current ones."""
    for name, unit in units.items():
        column = names.measures.get(name)
        earlier = _earlier(name, unit, changes, number_of)
        if column is None or column.type is not MeasureType.DOUBLE or not earlier:
            continue
        value, cases = column.expression or column.quoted, ""
        for other, rows in earlier.items():
            convert = _way(other, unit)
            if convert is None:
                cases += f" WHEN {rows} THEN NULL"
                names.give(f"{name}_{other}", MeasureType.DOUBLE, f"CASE WHEN {rows} THEN {value} END")
            else:
                cases += f" WHEN {rows} THEN ({value} * {convert.factor!r} + {convert.shift!r}) / {convert.divisor!r}"
        names.measures[name] = _derived(column, f"CASE{cases} ELSE {value} END")


def _earlier(name: str, unit: str, changes: ColumnChanges, number_of: Callable[[str], int]) -> dict[str, str]:
    """The earlier units of the measure, each with the SQL condition for its rows."""
    found: dict[str, list[str]] = {}
    for partition, eras in changes.eras.items():
        ends = [*(offset for offset, _ in eras[1:]), None]
        for (begin, of_era), end in zip(eras, ends, strict=True):
            other = of_era.get(name, unit)
            if other == unit or end == begin:
                continue
            number = _number(partition, number_of)
            if number is None:
                continue
            rows = f'"{layout.PARTITION}" = {number} AND "{layout.SEQUENCE}" >= {begin << OFFSET_BITS}'
            if end is not None:
                rows += f' AND "{layout.SEQUENCE}" < {end << OFFSET_BITS}'
            found.setdefault(other, []).append(f"({rows})")
    return {other: f"({' OR '.join(rows)})" for other, rows in found.items()}


def _number(partition: str, number_of: Callable[[str], int]) -> int | None:
    """None for a partition that was added after this store was opened; it has no rows of the table."""
    try:
        return number_of(partition)
    except (KeyError, ValueError):
        return None


def _way(source: str, target: str) -> Conversion | None:
    try:
        return conversion(source, target) or Conversion(1.0, 0.0, 1.0)
    except (KeyError, ValueError):
        return None
