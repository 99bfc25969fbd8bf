"""The columns of a table, in Timestream's order, and their names in DuckDB and Parquet.

The *physical* name of a column is its name in lower case with every character but [a-z0-9_] replaced by `_`, and a
number appended if that name is taken: Delta forbids some characters, and most engines ignore upper and lower case.
`zone_name` is reserved for the zone. The mapping is saved with the table and in the field metadata of the Delta schema.
Columns are only added, never removed.

A name may have several stored columns: a dimension, and one measure for each type. Readers see each name once:
`store.catalog.present` defines its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from store import layout
from store.catalog.catalog import TableSettings
from store.names import MeasureType, TableId

ColumnKind: TypeAlias = Literal["dimension", "zone", "measure_name", "time", "measure"]

_RESERVED = (
    layout.DATE,
    layout.MEASURE_NAME,
    layout.TIME,
    layout.TIME_REST,
    layout.TIME_NS,
    layout.VERSION,
    layout.PARTITION,
    layout.SEQUENCE,
    layout.SERIES_ID,
    layout.TICKS,
    "rowid",
)
_DUCK_TYPES = {
    MeasureType.DOUBLE: "DOUBLE",
    MeasureType.BIGINT: "BIGINT",
    MeasureType.BOOLEAN: "BOOLEAN",
    MeasureType.VARCHAR: "VARCHAR",
    MeasureType.TIMESTAMP: "BIGINT",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its name for users, and `physical`, its name in DuckDB (for time: "time_ns", in nanoseconds).

    expression  for a column that readers see and that is not stored in this form: its value, as SQL over stored columns
    """

    name: str
    kind: ColumnKind
    type: MeasureType
    physical: str
    expression: str | None = None

    @property
    def duck_type(self) -> str:
        """The DuckDB type of its values; times are BIGINT nanoseconds."""
        return _DUCK_TYPES[self.type]

    @property
    def quoted(self) -> str:
        """The physical name as a DuckDB identifier."""
        return f'"{self.physical}"'


MEASURE_NAME_COLUMN = Column(layout.MEASURE_NAME, "measure_name", MeasureType.VARCHAR, layout.MEASURE_NAME)
ZONE_COLUMN = Column(layout.ZONE, "zone", MeasureType.VARCHAR, layout.ZONE)
BY_MEASURE_NAME = ""
"""The measure name among names of dimensions, which are never empty: one of them may be `measure_name`."""
TIME_COLUMN = Column(layout.TIME, "time", MeasureType.TIMESTAMP, layout.TIME_NS)


def kind_of(persisted: str) -> ColumnKind:
    """The kind of a saved column."""
    return persisted if persisted in {"dimension", "zone"} else "measure"  # type: ignore[return-value]  # narrowed


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The result of `DESCRIBE`: `columns`, each name once, in the order of Timestream's `SELECT *`.

    stored  the columns of the rows, if they differ from `columns`
    """

    table: TableId
    columns: tuple[Column, ...]
    settings: TableSettings
    stored: tuple[Column, ...] = ()

    @property
    def scanned(self) -> tuple[Column, ...]:
        """The columns that rows have."""
        return self.stored or self.columns

    @property
    def selecting(self) -> dict[str, Column]:
        """The columns by which rows are selected: dimensions by name, and by `BY_MEASURE_NAME` that one."""
        of_name = [(BY_MEASURE_NAME, column) for column in self.scanned if column.kind == "measure_name"]
        return dict([*of_name, *((column.name, column) for column in self.scanned if column.kind == "dimension")])


@dataclass(slots=True)
class Columns:
    """The dimensions and measures that rows of one table have, each in order of appearance.

    dimensions   by name
    zone         the name of the row's zone, if the table has zones
    measures     by physical name
    has_changed  whether a name has several columns
    """

    dimensions: dict[str, Column] = field(default_factory=dict)
    zone: Column | None = None
    measures: dict[str, Column] = field(default_factory=dict)
    has_changed: bool = False
    _measures: dict[tuple[str, MeasureType], Column] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)  # of measures
    _taken: set[str] = field(default_factory=lambda: set(_RESERVED))

    @classmethod
    def of(cls, columns: Iterable[Column]) -> Columns:
        """The columns from saved ones."""
        made = cls()
        for column in columns:
            made.add(column)
        return made

    def add(self, column: Column) -> None:
        """Add a column that already has its physical name."""
        if column.kind == "zone":
            self.zone = column
        elif column.kind == "dimension":
            self.dimensions[column.name] = column
            self.has_changed |= column.name in self._names
        else:
            known = self._measures.get((column.name, column.type))
            if known is None:
                self.has_changed |= column.name in self._names or column.name in self.dimensions
            self._measures[column.name, column.type] = self.measures[column.physical] = column
            self._names.add(column.name)
        self._taken.add(column.physical)
        self.has_changed |= self.zone is not None and (layout.ZONE in self._names or layout.ZONE in self.dimensions)

    def add_zone(self) -> None:
        """Add the column of the zone, if it is missing."""
        if self.zone is None:
            self.claim(ZONE_COLUMN)

    def dimension(self, name: str) -> Column:
        """The dimension `name`, added at its first appearance."""
        column = self.dimensions.get(name)
        if column is None:
            column = Column(name, "dimension", MeasureType.VARCHAR, self._free(name, "dimension"))
            self.add(column)
        return column

    def measure(self, name: str, kind: MeasureType) -> Column:
        """The measure `name` of this type, added at its first appearance."""
        column = self._measures.get((name, kind))
        if column is None:
            column = Column(name, "measure", kind, self._free(name, kind.value))
            self.add(column)
        return column

    def find(self, column: Column) -> Column | None:
        """The stored column with this name, kind and type, or None."""
        if column.kind == "zone":
            return self.zone
        if column.kind == "dimension":
            return self.dimensions.get(column.name)
        return self._measures.get((column.name, column.type))

    def has_measure(self, name: str, kind: MeasureType | None = None) -> bool:
        """Whether rows have, or had, the measure `name`, with this type or with any."""
        return name in self._names if kind is None else (name, kind) in self._measures

    def claim(self, column: Column) -> Column:
        """Add `column`; returns the existing one of its name, kind and type, or it, renamed if its name is taken."""
        found = self.find(column)
        if found is not None:
            return found
        is_free = column.physical not in self._taken
        other = column.type.value if column.kind == "measure" else column.kind
        claimed = column if is_free else replace(column, physical=self._free(column.name, other))
        self.add(claimed)
        return claimed

    def reserve(self, names: Iterable[str]) -> None:
        """Never give these names to a column: other columns have them, in upper or lower case."""
        self._taken.update(name.lower() for name in names)

    def all(self) -> tuple[Column, ...]:
        """Every stored column, in the order of `SELECT *`."""
        zone = () if self.zone is None else (self.zone,)
        return (*self.dimensions.values(), *zone, MEASURE_NAME_COLUMN, TIME_COLUMN, *self.measures.values())

    def copy(self) -> Columns:
        """A copy of the current columns."""
        return Columns.of(self.stored())

    def stored(self) -> tuple[Column, ...]:
        """Dimensions, zone and measures: the columns that are saved."""
        return (*self.dimensions.values(), *(() if self.zone is None else (self.zone,)), *self.measures.values())

    def stored_beyond(self, known: Columns) -> list[Column]:
        """The saved columns that are missing in `known`."""
        return [column for column in self.stored() if known.find(column) is None]

    def _free(self, name: str, what: str) -> str:
        """A free physical name for `name`; if the name already has a column, `what` (kind or type) is appended."""
        plain = re.sub(r"[^a-z0-9_]", "_", name.lower()) or "_"
        if plain[0].isdigit() or plain[0] == "_":
            plain = "c" + plain
        if name in self._names or name in self.dimensions:
            plain = f"{plain}_{what}"
        candidate, number = plain, 2
        while candidate in self._taken or candidate == layout.ZONE:
            candidate, number = f"{plain}_{number}", number + 1
        return candidate


def names(columns: Sequence[Column]) -> str:
    """The physical names as a DuckDB select list."""
    return ", ".join(column.quoted for column in columns)
