"""The columns of a table: which there are, in Timestream's order, and under which names DuckDB and Parquet have them.

A column's *physical* name is its own in lower case with every character but [a-z0-9_] replaced by `_`, and a number
where that is taken: Delta forbids some characters, and most engines do not tell upper from lower case. The mapping is
part of the table's persisted state and of the Delta schema's field metadata. Columns only ever come; none goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from store import layout
from store.catalog import TableSettings
from store.errors import TypeConflict
from store.record import MeasureType, TableId

ColumnKind: TypeAlias = Literal["dimension", "measure_name", "time", "measure"]

_RESERVED = (
    layout.DATE,
    layout.MEASURE_NAME,
    layout.TIME,
    layout.TIME_REST,
    layout.TIME_NS,
    layout.VERSION,
    layout.STREAM,
    layout.SEQUENCE,
    layout.SERIES_ID,
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
    """A column as users name it, and `physical`, its name in DuckDB (of time: "time_ns", BIGINT nanoseconds)."""

    name: str
    kind: ColumnKind
    type: MeasureType
    physical: str

    @property
    def duck_type(self) -> str:
        """The DuckDB type of its values; times are BIGINT nanoseconds."""
        return _DUCK_TYPES[self.type]

    @property
    def quoted(self) -> str:
        """The physical name as a DuckDB identifier."""
        return f'"{self.physical}"'


MEASURE_NAME_COLUMN = Column(layout.MEASURE_NAME, "measure_name", MeasureType.VARCHAR, layout.MEASURE_NAME)
TIME_COLUMN = Column(layout.TIME, "time", MeasureType.TIMESTAMP, layout.TIME_NS)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What `DESCRIBE` shows: `columns` in the order of Timestream's `SELECT *`."""

    table: TableId
    columns: tuple[Column, ...]
    settings: TableSettings


@dataclass(slots=True)
class Columns:
    """The dimensions and measures of one table, each in the order first seen."""

    dimensions: dict[str, Column] = field(default_factory=dict)
    measures: dict[str, Column] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=lambda: set(_RESERVED))

    @classmethod
    def of(cls, columns: Iterable[Column]) -> Columns:
        """The columns that were persisted."""
        made = cls()
        for column in columns:
            made.add(column)
        return made

    def add(self, column: Column) -> None:
        """Take in a column that has its physical name already."""
        (self.dimensions if column.kind == "dimension" else self.measures)[column.name] = column
        self._taken.add(column.physical)

    def dimension(self, name: str) -> Column:
        """The dimension `name`, made on first sight."""
        column = self.dimensions.get(name)
        if column is None:
            column = Column(name, "dimension", MeasureType.VARCHAR, self._free(name))
            self.add(column)
        return column

    def measure(self, name: str, kind: MeasureType) -> Column:
        """The measure `name`, made on first sight. Raises TypeConflict if it is there with another type."""
        column = self.measures.get(name)
        if column is None:
            column = Column(name, "measure", kind, self._free(name))
            self.add(column)
        elif column.type is not kind:
            raise TypeConflict(f"measure {name!r} is {column.type.value} in its table; a batch has it as {kind.value}")
        return column

    def claim(self, column: Column) -> Column:
        """`column` as it can be added: the one of its kind and name that is there, else under a name that is free."""
        found = (self.dimensions if column.kind == "dimension" else self.measures).get(column.name)
        if found is not None:
            return found
        is_free = column.physical not in self._taken
        claimed = column if is_free else replace(column, physical=self._free(column.name))
        self.add(claimed)
        return claimed

    def reserve(self, names: Iterable[str]) -> None:
        """Give none of these names to a column: others have them, in upper or lower case."""
        self._taken.update(name.lower() for name in names)

    def all(self) -> tuple[Column, ...]:
        """Every column in the order of `SELECT *`."""
        return (*self.dimensions.values(), MEASURE_NAME_COLUMN, TIME_COLUMN, *self.measures.values())

    def copy(self) -> Columns:
        """The columns of now, which do not grow."""
        return Columns.of(self.stored())

    def stored(self) -> tuple[Column, ...]:
        """Dimensions and measures: what is persisted."""
        return (*self.dimensions.values(), *self.measures.values())

    def stored_beside(self, known: Columns) -> list[Column]:
        """What is persisted here and not there."""
        have = {(column.kind, column.name) for column in known.stored()}
        return [column for column in self.stored() if (column.kind, column.name) not in have]

    def _free(self, name: str) -> str:
        plain = re.sub(r"[^a-z0-9_]", "_", name.lower()) or "_"
        if plain[0].isdigit() or plain[0] == "_":
            plain = "c" + plain
        candidate, number = plain, 2
        while candidate in self._taken:
            candidate, number = f"{plain}_{number}", number + 1
        return candidate


def names(columns: Sequence[Column]) -> str:
    """The physical names as a DuckDB select list."""
    return ", ".join(column.quoted for column in columns)
