"""Divides what averages read of a table into rollups of whole minutes, and rows.

Rollups are read of chunks and files that have them. Rows are read of the others, and in *gaps* of all: in minutes in
which a row was superseded, and in the minutes in which the selection begins and ends, or in which `whole_from_ns` is,
unless all rows of each rollup are on one side of that time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from store.engine.duck import Cursor
from store.memory.rollup import MINUTE_NS, Rolled, Rollup, Sums, is_of
from store.memory.rollups import roll_up_chunk
from store.reading.by_zone import Zones
from store.reading.scan import (
    END_OF_TIME_NS,
    ChunkView,
    MemoryView,
    Selection,
    TableView,
    beyond_version,
)
from store.record import Int32s, Int64s

_MOST_GAPS = 8  # each is a part of the query; if there are more, all is read as rows


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A chunk or file with rollups, by measure, read for minutes in [first, end).

    by_number  numbers of the zones
    from_ns    and to_ns (inclusive): of its rows, also of those that are not read
    """

    rollups: Mapping[str, Rollup]
    by_number: Int32s
    first: int
    end: int
    from_ns: int
    to_ns: int

    def is_cut(self, time_ns: int) -> bool:
        """Whether it may have rows before this time, and others from it on."""
        return self.from_ns < time_ns <= self.to_ns


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """What is read: rollups, except in minutes of `gaps` (pairs of first and end), and rows."""

    pieces: Sequence[Piece]
    gaps: Sequence[tuple[int, int]]
    rows: Sequence[tuple[TableView, Selection]]

    def sums(self, measure: str) -> Iterator[tuple[Int32s, Int64s, Sums]]:
        """Number of the zone, minute, and sums, of each piece."""
        for piece in self.pieces:
            rollup = piece.rollups.get(measure)
            if rollup is None:  # the piece lacks the measure
                continue
            asked = np.flatnonzero(piece.by_number >= 0)
            part = rollup.of_zone(int(asked[0])) if len(asked) == 1 else slice(None)
            number = _at(piece.by_number, rollup.zone[part])
            minute = rollup.minute[part]
            wanted = (number >= 0) & (minute >= piece.first) & (minute < piece.end)
            for first, end in self.gaps:
                wanted &= (minute < first) | (minute >= end)
            places = np.flatnonzero(wanted)
            yield number[places], minute[places], rollup.sums.at(part).at(places)


def roll_up_newest(cursor: Cursor, view: TableView, selection: Selection, measures: Sequence[str]) -> None:
    """Ask the maintenance for rollups of what `view` selects, and add the newest rows to those that there are."""
    start_ns = max(selection.from_ns, view.visible_from_ns)
    in_range = view.version.files_in(start_ns, min(selection.to_ns, view.whole_from_ns))
    files = in_range if _knows_all_zones(view) else []
    for memory in view.memory:
        known, zoning = memory.rollups, memory.rollups.zones.of_series()[0]
        known.ask(measures, (file.path for file in files if not known.has(file.path, measures, zoning)))
        if not known.wanted.keys() >= set(measures):  # nothing is rolled up yet
            continue
        for chunk in memory.chunks:
            if not chunk.chunk.sealed and chunk.to_ns >= start_ns and chunk.from_ns < selection.to_ns:
                rows = chunk.chunk.rows if chunk.rows is None else chunk.rows
                roll_up_chunk(cursor, chunk.chunk, rows, measures, known.zones)


def _knows_all_zones(view: TableView) -> bool:
    """Whether one store of this process has all partitions, and so all series that files have."""
    return len(view.memory) == 1 and view.whole_from_ns < END_OF_TIME_NS


def all_rows(view: TableView, selection: Selection) -> Division:
    """Everything as rows."""
    return Division((), (), [(view, selection)])


def divide(view: TableView, selection: Selection, zones: Zones, measures: Sequence[str]) -> Division:
    """What to read of `view`, for bins of whole minutes."""
    start_ns = max(selection.from_ns, view.visible_from_ns)
    parts = _Parts(view, start_ns, selection.to_ns, measures)
    if (
        start_ns >= selection.to_ns
        or view.schema.stored
        or not all(parts.add_memory(memory, zones) for memory in view.memory)
    ):
        return all_rows(view, selection)
    parts.add_files()
    gaps = _gaps(view, parts)
    if not parts.pieces or len(gaps) > _MOST_GAPS:
        return all_rows(view, selection)
    rows = [(view, replace(selection, from_ns=from_ns, to_ns=to_ns)) for from_ns, to_ns in gaps]
    others = parts.without_rollups()
    rows += [
        (others, replace(selection, from_ns=from_ns, to_ns=to_ns))
        for from_ns, to_ns in _between(gaps, start_ns, selection.to_ns)
        if _has_rows(others, from_ns, to_ns)
    ]
    minutes = [(from_ns // MINUTE_NS, _minute_after(to_ns)) for from_ns, to_ns in gaps]
    return Division(parts.pieces, minutes, rows)


@dataclass(slots=True)
class _Parts:
    """The pieces with rollups, and the others, within [start_ns, end_ns)."""

    view: TableView
    start_ns: int
    end_ns: int
    measures: Sequence[str]
    pieces: list[Piece] = field(default_factory=list)
    _memory: list[MemoryView] = field(default_factory=list)
    _of_files: tuple[int, Int32s] | None = None
    _files: list[str] = field(default_factory=list)  # with rollups

    def add_memory(self, memory: MemoryView, zones: Zones) -> bool:
        """Divide its chunks; returns whether the zones are whole zones there."""
        found = zones.by_number(memory)
        if found is None:
            return False
        self._of_files = found
        zoning, by_number = found
        others = []
        for chunk in memory.chunks:
            if chunk.to_ns < self.start_ns or chunk.from_ns >= self.end_ns:
                continue
            rollups = _rollups(chunk, zoning, self.measures) if self._is_settled(memory, chunk) else None
            if rollups is None:
                others.append(chunk)
            elif chunk.to_ns >= self.view.whole_from_ns:  # else its rows are those of files
                first = max(self.start_ns, self.view.whole_from_ns) // MINUTE_NS
                end = _minute_after(self.end_ns)
                self.pieces.append(Piece(rollups, by_number, first, end, chunk.from_ns, chunk.to_ns))
        self._memory.append(replace(memory, chunks=tuple(others)))
        return True

    def add_files(self) -> None:
        """Divide the files, if all partitions are in this process, in one store: it knows all zones."""
        whole_ns = self.view.whole_from_ns
        if not _knows_all_zones(self.view) or self._of_files is None:
            return
        known, (zoning, by_number) = self.view.memory[0].rollups.files, self._of_files
        for file in self.view.version.files_in(self.start_ns, min(self.end_ns, whole_ns)):
            of_file = known.get(file.path, {})
            rollups = {name: of_file[name].rollup for name in self.measures if is_of(of_file.get(name), zoning)}
            if len(rollups) == len(self.measures) and None not in rollups.values():
                first, end = self.start_ns // MINUTE_NS, _minute_after(min(self.end_ns, whole_ns))
                made = {name: rollup for name, rollup in rollups.items() if rollup is not None}
                self.pieces.append(Piece(made, by_number, first, end, file.from_ns, file.to_ns))
                self._files.append(file.path)

    def without_rollups(self) -> TableView:
        """The view of the other chunks and files."""
        known = set(self._files)
        files = tuple(file for file in self.view.version.files if file.path not in known)
        return replace(self.view, memory=tuple(self._memory), version=replace(self.view.version, files=files))

    def _is_settled(self, memory: MemoryView, chunk: ChunkView) -> bool:
        """Whether all rows of the chunk from `whole_from_ns` on are to be read, and no others."""
        if memory.to_sequence is not None and max(chunk.last_sequence.values(), default=-1) > memory.to_sequence:
            return False
        return chunk.from_ns >= self.view.whole_from_ns or not beyond_version(memory, chunk)


def _rollups(chunk: ChunkView, zoning: int, measures: Sequence[str]) -> dict[str, Rollup] | None:
    """The rollups of all rows of a chunk; None if one is missing."""
    rows = chunk.chunk.rows if chunk.rows is None else chunk.rows
    found: dict[str, Rollup] = {}
    for name in measures:
        if name not in chunk.measures:
            continue
        known: Rolled | None = chunk.chunk.rolled.get(name)
        if known is None or known.rollup is None or known.zoning != zoning or known.rows != rows:
            return None
        found[name] = known.rollup
    return found


def _gaps(view: TableView, parts: _Parts) -> list[tuple[int, int]]:
    """The times in which rows are read of all pieces, ascending, in [start_ns, end_ns)."""
    times = view.superseded_ns
    within = times[np.searchsorted(times, parts.start_ns) : np.searchsorted(times, parts.end_ns)]
    cuts = [time_ns for time_ns in (parts.start_ns, parts.end_ns, view.whole_from_ns) if time_ns % MINUTE_NS]
    minutes = [time_ns // MINUTE_NS for time_ns in cuts if any(piece.is_cut(time_ns) for piece in parts.pieces)]
    runs = _runs(np.unique(np.concatenate([within // MINUTE_NS, np.array(minutes, np.int64)])))
    clipped = [(max(first * MINUTE_NS, parts.start_ns), min(end * MINUTE_NS, parts.end_ns)) for first, end in runs]
    return [
        (from_ns, to_ns)
        for from_ns, to_ns in clipped
        if from_ns < to_ns and any(piece.from_ns < to_ns and piece.to_ns >= from_ns for piece in parts.pieces)
    ]


def _minute_after(time_ns: int) -> int:
    """The first minute that begins at this time or later."""
    return -(-time_ns // MINUTE_NS)


def _runs(minutes: Int64s) -> list[tuple[int, int]]:
    """First and end of the runs of ascending minutes that follow one another."""
    starts = np.flatnonzero(np.append(True, np.diff(minutes) != 1)[: len(minutes)])
    ends = np.append(starts, len(minutes))[1:]
    return [(int(minutes[start]), int(minutes[end - 1]) + 1) for start, end in zip(starts, ends, strict=True)]


def _between(gaps: Sequence[tuple[int, int]], start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """The rest of [start_ns, end_ns)."""
    for from_ns, to_ns in gaps:
        if start_ns < from_ns:
            yield start_ns, from_ns
        start_ns = to_ns
    if start_ns < end_ns:
        yield start_ns, end_ns


def _has_rows(view: TableView, from_ns: int, to_ns: int) -> bool:
    chunks = [chunk for memory in view.memory for chunk in memory.chunks]
    in_files = view.version.files_in(from_ns, min(to_ns, view.whole_from_ns))
    return bool(view.tails or in_files) or any(chunk.to_ns >= from_ns and chunk.from_ns < to_ns for chunk in chunks)


def _at(by_number: Int32s, zone: Int32s) -> Int32s:
    """The number of each zone; rollups may have zones without series."""
    if len(zone) and int(zone[-1]) >= len(by_number):  # ascending
        by_number = np.append(by_number, np.full(int(zone[-1]) + 1 - len(by_number), -1, np.int32))
    return np.asarray(by_number[zone])
