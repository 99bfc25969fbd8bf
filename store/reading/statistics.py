"""What statistics say of rows without reading them: how many there are, the first and last time, and of measures how
many values there are, the least and the greatest.

Files know the number of their rows and the range of their times; footers of Parquet files, each read once, the number
and the range of values. They say it of a question that takes all their rows:
that begins and ends outside of them, with no condition but time, and no row in their range of time was replaced
(`superseded_ns`). The rows of other files are read, and those that only RAM has. Times of files are whole microseconds:
rows of the first and last microsecond are read, of the one or two files that have them, if RAM does not have all of
them. A file that this process has not read yet is read, too: it may be damaged.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from store import layout
from store.catalog.schema import Column
from store.magnetic.parquet import DataFile, ValueRange
from store.memory.newness import NEVER_NS
from store.names import MeasureType
from store.reading.partials import COUNT, FIRST, GREATEST, LAST, LEAST, ROWS, Partials, partials_text
from store.reading.rendering import Rendering
from store.reading.scan import END_OF_TIME_NS, Selection, TableView, beyond_version
from store.record import Int64s

MOST_READ = 500_000  # rows: counting so many takes 5 ms
_MICROSECOND_NS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The rows of a view within a selection: those of `files`, which are counted, and those of `others`, to be read."""

    files: Sequence[DataFile]
    others: TableView
    selection: Selection
    newest_ns: int | None = None  # the last time of all, if RAM knows it
    measures: Sequence[Column] = ()
    ranges: Sequence[Sequence[ValueRange]] = ()  # of each of `files` those of `measures`

    @property
    def rows(self) -> int:
        """The number of rows that are not read."""
        return sum(file.rows for file in self.files)

    @property
    def most_read(self) -> int:
        """At most so many rows are read."""
        files = self.others.version.files_in(self.selection.from_ns, self.selection.to_ns)
        chunks = [
            chunk
            for memory in self.others.memory
            for chunk in memory.chunks
            if chunk.to_ns >= self.selection.from_ns and beyond_version(memory, chunk)
        ]
        return sum(file.rows for file in files) + sum(chunk.row_count for chunk in chunks)

    def texts(self, rendering: Rendering, times: Collection[str] = (FIRST, LAST)) -> list[str]:
        """Queries for partial aggregates of files, without totals, and of other rows; of files only these `times`."""
        of = Partials((), None, tuple(measure.physical for measure in self.measures))
        parts = [partials_text(of, self.others.schema, rendering.text(self.others, self.selection))]
        if self.files:
            first_ns = min(file.from_ns for file in self.files)
            last_ns = max(file.to_ns for file in self.files) + 1
            ends = {
                FIRST: ("min", Selection(first_ns, first_ns + _MICROSECOND_NS)),
                LAST: ("max", Selection(last_ns - _MICROSECOND_NS, last_ns)),
            }
            known = {LAST: f"{self.newest_ns}::BIGINT"} if self.newest_ns is not None else {}
            read = [f"{known.get(name) or self._time(rendering, *ends[name])} AS {name}" for name in times]
            read += [text for place in range(len(self.measures)) for text in self._values(place)]
            parts.append(f"SELECT {', '.join([f'{self.rows}::BIGINT AS {ROWS}', *read])}")
        return parts

    def _values(self, place: int) -> list[str]:
        """The number, the least and the greatest of the values that the files have of a measure."""
        ranges = [of_file[place] for of_file in self.ranges]
        ends = {
            LEAST: min((of.least for of in ranges if of.least is not None), default=None),
            GREATEST: max((of.greatest for of in ranges if of.greatest is not None), default=None),
        }
        kind = self.measures[place].duck_type
        told = [
            f"CAST({'NULL' if end is None else repr(str(end))} AS {kind}) AS {name}{place}"
            for name, end in ends.items()
        ]
        return [f"{sum(of.count for of in ranges)}::BIGINT AS {COUNT}{place}", *told]

    def _time(self, rendering: Rendering, function: str, within: Selection) -> str:
        """The first or last time of the files, which is within a microsecond."""
        able = tuple(file for file in self.files if file.to_ns >= within.from_ns and file.from_ns < within.to_ns)
        version = replace(self.others.version, files=able)
        view = replace(self.others, memory=(), tails=(), version=version)
        return f'(SELECT {function}("{layout.TIME_NS}") FROM {rendering.text(view, within)})'


def are_numbers(measures: Sequence[Column]) -> bool:
    """Whether statistics have these exactly."""
    return all(measure.type in {MeasureType.DOUBLE, MeasureType.BIGINT} for measure in measures)


def counted(view: TableView, selection: Selection, measures: Sequence[Column] = ()) -> Counted:
    """Divide what is read of `view` within a range of time into files that are counted, and others.

    Raises DamagedRows.
    """
    from_ns = max(selection.from_ns, view.visible_from_ns)
    newest_ns = _newest_ns(view, from_ns, selection.to_ns)
    # so that rows are in files or beyond the version, and no file has some that are read from RAM
    view = replace(view, whole_from_ns=END_OF_TIME_NS)
    files = view.version.files
    whole = [
        file
        for file in files
        if _is_whole(file, from_ns, selection.to_ns, view.superseded_ns) and view.data.is_sound(file)
    ]
    names = tuple(measure.physical for measure in measures)
    ranges = [view.data.ranges(file, names) if names else () for file in whole]
    known = {file.path: of for file, of in zip(whole, ranges, strict=True) if of is not None}
    whole = [file for file in whole if file.path in known]
    version = replace(view.version, files=tuple(file for file in files if file.path not in known))
    others = replace(view, version=version)
    return Counted(whole, others, replace(selection, from_ns=from_ns), newest_ns, measures, list(known.values()))


def _newest_ns(view: TableView, from_ns: int, to_ns: int) -> int | None:
    """The time of the newest row, if it is in RAM, and within these bounds."""
    if any(memory.to_sequence is not None for memory in view.memory):  # chunks have later rows
        return None
    newest_ns = max((chunk.to_ns for memory in view.memory for chunk in memory.chunks), default=NEVER_NS)
    return newest_ns if max(view.whole_from_ns, from_ns) <= newest_ns < to_ns else None


def _is_whole(file: DataFile, from_ns: int, to_ns: int, superseded_ns: Int64s) -> bool:
    """Whether a question for [from, to) takes all rows of the file, and none of them is replaced."""
    first, end = np.searchsorted(superseded_ns, [file.from_ns, file.to_ns + 1])
    return bool(first == end) and from_ns <= file.from_ns and file.to_ns < to_ns
