"""What the stored records of each measure name have (`store.catalog.contents`), noted as rows are put into RAM.

A table whose saved state does not say it reads its files in the background, one at a time: a table may have years of
them, and flushes wait meanwhile.
"""

# ruff: noqa: S608 - SQL is put together here, from names quoted by us

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.catalog.contents import ByMeasureName, Contents
from store.catalog.schema import MEASURE_NAME_COLUMN
from store.engine.duck import Duck, run
from store.magnetic.parquet import DataFile
from store.magnetic.tier import MagneticTier
from store.memory.newness import NEVER_NS
from store.reading.scan import magnetic_rows
from store.record import Int32s, Int64s, SeriesIndex

_NOTHING = Contents()


class TableContents:
    """The contents of one table. The lock of the table protects it.

    is_complete  whether it has what the rows of the table's files have
    """

    def __init__(self, index: SeriesIndex) -> None:
        self.is_complete = True
        self._index = index
        self._by_name: ByMeasureName = {}  # replaced, never changed
        self._read: set[str] = set()  # the files that were read, while it is not complete
        self._names: list[str] = []  # by number
        self._numbers: dict[str, int] = {}
        self._name_of: Int32s = np.zeros(0, np.int32)  # the number of the measure name of each series
        self._has_rows: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)  # series that were noted
        self._rezoned = 0

    def restore(self, saved: ByMeasureName | None, last_ns: Int64s, *, has_files: bool) -> None:
        """Take over what was saved with the last times of the series."""
        self.is_complete = saved is not None or not has_files
        if saved is not None:
            self._add(saved)
            self._number_series()
            self._has_rows[: len(last_ns)] = last_ns != NEVER_NS

    def note(self, series: Int32s, measures: Mapping[str, pa.Array]) -> None:
        """Note stored rows, n ≥ 1: their series, and their measures by physical name."""
        self._number_series()
        if not self._has_rows[series].all():
            self._note_series(np.unique(series[~self._has_rows[series]]))
        name_of = self._name_of[series]
        names = np.flatnonzero(np.bincount(name_of)).tolist() if len(self._names) > 1 else [0]
        for physical, values in measures.items():
            lacking = [name for name in names if physical not in self._of(name).measures]
            if lacking and values.null_count < len(values):
                with_value = np.unique(name_of[values.is_valid().to_numpy(zero_copy_only=False)])
                column = Contents(measures=frozenset({physical}))
                self._add({self._names[name]: column for name in set(lacking).intersection(with_value.tolist())})

    def next_file(self, files: Sequence[DataFile]) -> DataFile | None:
        """One of these files, those of the current version, that must be read; None if it is complete then."""
        return next((file for file in files if file.path not in self._read), None)

    def learn(self, file: DataFile | None, of_file: ByMeasureName) -> None:
        """Add what the rows of a file have; None: there is none that was not read."""
        self._add(of_file)
        self.is_complete = file is None
        self._read = set() if file is None else {*self._read, file.path}

    def forget(self, series: npt.NDArray[np.integer]) -> None:
        """Forget series without rows, and the measure names that no other series has."""
        self._number_series()
        self._has_rows[series] = False
        left = {self._names[number] for number in np.unique(self._name_of[self._has_rows]).tolist()}
        gone = {self._names[number] for number in np.unique(self._name_of[series]).tolist()} - left
        if gone and self.is_complete:
            self._by_name = {name: of for name, of in self._by_name.items() if name not in gone}

    def now(self) -> ByMeasureName | None:
        """The contents, the same object until they change; None if they are not complete."""
        if self._rezoned != self._index.rezoned:
            self._rezoned = self._index.rezoned
            if not all(contents.has_zone for contents in self._by_name.values()):
                self._note_series(np.flatnonzero(self._has_rows))
        return self._by_name if self.is_complete else None

    def _number_series(self) -> None:
        known, count = len(self._name_of), len(self._index.keys)
        if count > known:
            new = [self._number(self._index.keys[series].measure_name) for series in range(known, count)]
            self._name_of = np.concatenate((self._name_of, np.array(new, np.int32)))
            self._has_rows = np.concatenate((self._has_rows, np.zeros(count - known, np.bool_)))

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def _note_series(self, series: npt.NDArray[np.integer]) -> None:
        """Note the dimensions and zones of series."""
        shapes: dict[tuple[str, bool, tuple[str, ...]], None] = {}
        for one in series.tolist():
            key, zone = self._index.keys[one], self._index.zones[one]
            shapes[key.measure_name, zone is not None, tuple(name for name, _ in key.dimensions)] = None
        self._has_rows[series] = True
        for name, has_zone, dimensions in shapes:
            self._add({name: Contents(frozenset(dimensions), has_zone=has_zone)})

    def _of(self, number: int) -> Contents:
        return self._by_name.get(self._names[number], _NOTHING)

    def _add(self, contents: ByMeasureName) -> None:
        more = {name: self._by_name.get(name, _NOTHING) | of for name, of in contents.items()}
        if any(self._by_name.get(name) != of for name, of in more.items()):
            self._by_name = {**self._by_name, **more}


def of_file(duck: Duck, magnetic: MagneticTier, file: DataFile) -> ByMeasureName:
    """The contents of the rows of a file. Reads it; raises DamagedRows, QueryFailed."""
    columns = magnetic.columns()
    listed = ", ".join(f"bool_or({column.quoted} IS NOT NULL)" for column in columns)
    cursor = duck.cursor()
    try:
        files = magnetic.data.relation(cursor, (file,), [MEASURE_NAME_COLUMN, *columns])
        rows = magnetic_rows(files, [MEASURE_NAME_COLUMN, *columns], "true")
        name = MEASURE_NAME_COLUMN.quoted
        found = run(cursor, f"SELECT {name}{', ' * bool(columns)}{listed} FROM ({rows}) GROUP BY {name}")
    finally:
        cursor.close()
    contents: dict[str, Contents] = {}
    for name, *is_there in zip(*(column.to_pylist() for column in found.columns), strict=True):
        there = [column for column, has_it in zip(columns, is_there, strict=True) if has_it]
        contents[name] = Contents(
            frozenset(column.name for column in there if column.kind == "dimension"),
            frozenset(column.physical for column in there if column.kind == "measure"),
            any(column.kind == "zone" for column in there),
        )
    return contents
