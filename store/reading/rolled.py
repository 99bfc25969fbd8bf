"""Divides what averages read of a table into rollups, and rows.

Rollups are read of chunks and files that have them, and their rows where a slot of theirs is cut: where the selection
begins or ends in it, or `whole_from_ns` is (`store.reading.cuts`). Rows are read of the others, and in *gaps* of all:
in slots in which a row was superseded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from store.engine.duck import Cursor
from store.magnetic.parquet import DataFile
from store.memory.cut_minutes import MOST_ROWS
from store.memory.rollup import (
    MINUTE_NS,
    NOTHING,
    Rolled,
    Rollup,
    RollupOf,
    Samples,
    Sums,
    is_of,
    joined,
    places_in,
    single,
    summed,
)
from store.memory.rollups import roll_up_chunk
from store.reading.by_zone import ByNumber
from store.reading.scan import (
    END_OF_TIME_NS,
    ChunkView,
    MemoryView,
    Selection,
    TableView,
    beyond_version,
)
from store.record import Int32s, Int64s

Zoned: TypeAlias = Callable[[MemoryView], ByNumber | None]
_MOST_SLOTS = 4_320  # of a fine grain: six hours
_MOST_GAPS = 8  # each is a part of the query; if there are more, all is read as rows


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A chunk or file with rollups, by measure, read for slots in [first, end), and for `cuts` of others by its rows.

    memory   whose series the zones are those of
    cuts     pairs of times [from, to) within a slot
    samples  by minute of a cut and measure
    """

    memory: MemoryView
    source: ChunkView | DataFile
    rows: int  # of the source
    rollups: Mapping[str, Rollup]
    zones: ByNumber
    grain_ns: int
    first: int = 0
    end: int = 0
    cuts: Sequence[tuple[int, int]] = ()
    samples: Mapping[tuple[int, str], Samples] = field(default_factory=dict)

    def without_cuts_in(self, gaps: Sequence[tuple[int, int]]) -> Piece:
        """The same, where rows of slots in `gaps` are read otherwise."""
        kept = [
            (from_ns, to_ns)
            for from_ns, to_ns in self.cuts
            if not any(first <= from_ns // self.grain_ns < end for first, end in gaps)
        ]
        return self if len(kept) == len(self.cuts) else replace(self, cuts=kept)

    def has_all_values(self, measure: str) -> bool:
        """Whether all its rows are in a zone and have the measure."""
        rollup = self.rollups.get(measure)
        return rollup is not None and int(rollup.sums.count.sum()) == self.rows

    @property
    def most_read(self) -> int:
        """The most slots of zones that may be read of it."""
        first = max(self.first, self.source.from_ns // self.grain_ns)
        end = min(self.end, self.source.to_ns // self.grain_ns + 1)
        of_zones = len(self._asked) * max(end - first, 0)
        return sum(min(len(rollup), of_zones) for rollup in self.rollups.values())

    @property
    def _asked(self) -> Int32s:
        return np.flatnonzero(self.zones.asked >= 0).astype(np.int32)

    def sums(self, measure: str, gaps: Sequence[tuple[int, int]]) -> Iterator[tuple[Int32s, Int64s, Sums]]:
        """Number of the zone, slot, and sums, except in slots of `gaps`."""
        rollup = self.rollups.get(measure)
        if rollup is None:  # it lacks the measure
            return
        asked = self._asked
        places = places_in(*rollup.runs(asked, self.first, self.end))
        for first, end in gaps:
            slot = rollup.slot[places]
            places = places[(slot < first) | (slot >= end)]
        yield self.zones.of(rollup.zone[places]), rollup.slot[places], rollup.sums.at(places)
        for from_ns, to_ns in self.cuts:
            found = self.samples[from_ns // MINUTE_NS, measure]
            if len(asked) == 1:
                found = found.at(np.flatnonzero(found.zone == asked[0]))
            number = self.zones.of(found.zone)
            places = np.flatnonzero((number >= 0) & (found.time_ns >= from_ns) & (found.time_ns < to_ns))
            yield number[places], found.time_ns[places] // self.grain_ns, single(found.values[places])


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """What is read: rollups, except in slots of `gaps` (pairs of first and end), and rows."""

    pieces: Sequence[Piece]
    gaps: Sequence[tuple[int, int]]
    rows: Sequence[tuple[TableView, Selection]]

    @property
    def most_read(self) -> int:
        """The most slots of zones that may be read of its pieces."""
        return sum(piece.most_read for piece in self.pieces)

    def has_all_values(self, measures: Sequence[str]) -> bool:
        """Whether all rows of its pieces are in a zone and have all these measures."""
        return all(piece.has_all_values(measure) for piece in self.pieces for measure in measures)

    def sums(self, measure: str) -> tuple[Int64s, Int64s, Sums]:
        """One entry for each zone and slot of the pieces, ascending: number of the zone, slot, and sums."""
        parts = [part for piece in self.pieces for part in piece.sums(measure, self.gaps)]
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), NOTHING
        number, slot = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
        return summed(number.astype(np.int64), slot.astype(np.int64), joined([part[2] for part in parts]))


def is_short(view: TableView, selection: Selection, grain_ns: int) -> bool:
    """Whether what is selected is short enough for slots of this length."""
    ends = [chunk.to_ns for memory in view.memory for chunk in memory.chunks]
    to_ns = min(selection.to_ns, max(ends, default=selection.from_ns))
    return grain_ns == MINUTE_NS or to_ns - max(selection.from_ns, view.visible_from_ns) <= _MOST_SLOTS * grain_ns


def roll_up_newest(
    cursor: Cursor, view: TableView, selection: Selection, measures: Sequence[str], grain_ns: int
) -> None:
    """Ask the maintenance for rollups of what `view` selects, and add the newest rows to those that there are."""
    start_ns = max(selection.from_ns, view.visible_from_ns)
    in_range = view.version.files_in(start_ns, min(selection.to_ns, view.whole_from_ns))
    files = in_range if _knows_all_zones(view) and grain_ns == MINUTE_NS else []
    keys = [RollupOf(measure, grain_ns) for measure in measures]
    for memory in view.memory:
        known, zoning = memory.rollups, memory.rollups.zones.of_series()[0]
        known.ask(keys, start_ns, (file.path for file in files if not known.has(file.path, keys, zoning)))
        if not known.wanted.keys() >= set(keys):  # nothing is rolled up yet
            continue
        for chunk in memory.chunks:
            if not chunk.chunk.sealed and chunk.to_ns >= start_ns and chunk.from_ns < selection.to_ns:
                roll_up_chunk(cursor, chunk.chunk, chunk.row_count, keys, known.zones)


def _knows_all_zones(view: TableView) -> bool:
    """Whether one store of this process has all partitions, and so all series that files have."""
    return len(view.memory) == 1 and view.whole_from_ns < END_OF_TIME_NS


def all_rows(view: TableView, selection: Selection) -> Division:
    """Everything as rows."""
    return Division((), (), [(view, selection)])


def divide(view: TableView, selection: Selection, zones: Zoned, measures: Sequence[str], grain_ns: int) -> Division:
    """What to read of `view`, for bins of whole slots; `zones` are those that are asked for, None: no whole ones."""
    start_ns = max(selection.from_ns, view.visible_from_ns)
    parts = _Parts(view, start_ns, selection.to_ns, measures, grain_ns)
    if (
        start_ns >= selection.to_ns
        or view.schema.stored
        or not all(parts.add_memory(memory, zones) for memory in view.memory)
    ):
        return all_rows(view, selection)
    parts.add_files()
    gaps = _gaps(view, parts)
    slots = [(from_ns // grain_ns, -(-to_ns // grain_ns)) for from_ns, to_ns in gaps]
    if not parts.pieces or len(gaps) > _MOST_GAPS:
        return all_rows(view, selection)
    rows = [(view, replace(selection, from_ns=from_ns, to_ns=to_ns)) for from_ns, to_ns in gaps]
    others = parts.without_rollups()
    rows += [
        (others, replace(selection, from_ns=from_ns, to_ns=to_ns))
        for from_ns, to_ns in _between(gaps, start_ns, selection.to_ns)
        if _has_rows(others, from_ns, to_ns)
    ]
    return Division([piece.without_cuts_in(slots) for piece in parts.pieces], slots, rows)


@dataclass(slots=True)
class _Parts:
    """The pieces with rollups, and the others, within [start_ns, end_ns)."""

    view: TableView
    start_ns: int
    end_ns: int
    measures: Sequence[str]
    grain_ns: int
    pieces: list[Piece] = field(default_factory=list)
    _memory: list[MemoryView] = field(default_factory=list)
    crowded: list[int] = field(default_factory=list)  # slots that are cut, and of too many rows in a piece
    _of_files: ByNumber | None = None
    _files: list[str] = field(default_factory=list)  # with rollups

    def add_memory(self, memory: MemoryView, zones: Zoned) -> bool:
        """Divide its chunks; returns whether the zones are whole zones there."""
        found = zones(memory)
        if found is None:
            return False
        self._of_files = found
        others = []
        for chunk in memory.chunks:
            if chunk.to_ns < self.start_ns or chunk.from_ns >= self.end_ns:
                continue
            rollups = self._rollups(chunk, found.zoning) if self._is_settled(memory, chunk) else None
            if rollups is None:
                others.append(chunk)
            elif chunk.to_ns >= self.view.whole_from_ns:  # else its rows are those of files
                first_ns = max(self.start_ns, self.view.whole_from_ns)
                self._add(Piece(memory, chunk, chunk.row_count, rollups, found, self.grain_ns), first_ns, self.end_ns)
        self._memory.append(replace(memory, chunks=tuple(others)))
        return True

    def add_files(self) -> None:
        """Divide the files, if all partitions are in this process, in one store: it knows all zones."""
        whole_ns = self.view.whole_from_ns
        if not _knows_all_zones(self.view) or self._of_files is None:
            return
        memory, zones = self.view.memory[0], self._of_files
        for file in self.view.version.files_in(self.start_ns, min(self.end_ns, whole_ns)):
            of_file = memory.rollups.files.get(file.path, {})
            found = {name: of_file.get(RollupOf(name, self.grain_ns)) for name in self.measures}
            made = {
                name: of.rollup
                for name, of in found.items()
                if of is not None and of.rollup is not None and is_of(of, zones.zoning)
            }
            if len(made) == len(self.measures):
                self._add(
                    Piece(memory, file, file.rows, made, zones, self.grain_ns),
                    self.start_ns,
                    min(self.end_ns, whole_ns),
                )
                self._files.append(file.path)

    def _add(self, piece: Piece, from_ns: int, to_ns: int) -> None:
        """Add a piece of which [from_ns, to_ns) is read: whole slots, and the two in which that begins and ends.

        Slots are whole, too, if they have none of its rows outside.
        """
        source, grain_ns, cuts = piece.source, self.grain_ns, set[tuple[int, int]]()
        first, end = from_ns // grain_ns, -(-to_ns // grain_ns)
        if from_ns % grain_ns and source.from_ns < from_ns <= source.to_ns:
            first += 1
            cuts.add((from_ns, min(first * grain_ns, to_ns)))
        if to_ns % grain_ns and source.from_ns < to_ns <= source.to_ns:
            end -= 1
            cuts.add((max(end * grain_ns, from_ns), to_ns))
        if piece.rows > MOST_ROWS * ((source.to_ns - source.from_ns) // MINUTE_NS + 1):
            self.crowded += [cut_ns // grain_ns for cut_ns, _ in cuts]
        self.pieces.append(replace(piece, first=first, end=end, cuts=sorted(cuts)))

    def without_rollups(self) -> TableView:
        """The view of the other chunks and files."""
        known = set(self._files)
        files = tuple(file for file in self.view.version.files if file.path not in known)
        return replace(self.view, memory=tuple(self._memory), version=replace(self.view.version, files=files))

    def _rollups(self, chunk: ChunkView, zoning: int) -> dict[str, Rollup] | None:
        """The rollups of all rows of a chunk; None if one is missing."""
        found: dict[str, Rollup] = {}
        for name in self.measures:
            if name not in chunk.measures:
                continue
            known: Rolled | None = chunk.chunk.rolled.get(RollupOf(name, self.grain_ns))
            if known is None or known.rollup is None or known.zoning != zoning or known.rows != chunk.row_count:
                return None
            found[name] = known.rollup
        return found

    def _is_settled(self, memory: MemoryView, chunk: ChunkView) -> bool:
        """Whether all rows of the chunk from `whole_from_ns` on are to be read, and no others."""
        if memory.to_sequence is not None and max(chunk.last_sequence.values(), default=-1) > memory.to_sequence:
            return False
        return chunk.from_ns >= self.view.whole_from_ns or not beyond_version(memory, chunk)


def _gaps(view: TableView, parts: _Parts) -> list[tuple[int, int]]:
    """The times in which rows are read of all pieces, ascending, in [start_ns, end_ns)."""
    times = view.superseded_ns
    within = times[np.searchsorted(times, parts.start_ns) : np.searchsorted(times, parts.end_ns)]
    grain_ns = parts.grain_ns
    runs = _runs(np.unique(np.concatenate([within // grain_ns, np.array(parts.crowded, np.int64)])))
    clipped = [(max(first * grain_ns, parts.start_ns), min(end * grain_ns, parts.end_ns)) for first, end in runs]
    sources = [piece.source for piece in parts.pieces]
    return [
        (from_ns, to_ns)
        for from_ns, to_ns in clipped
        if from_ns < to_ns and any(source.from_ns < to_ns and source.to_ns >= from_ns for source in sources)
    ]


def _runs(slots: Int64s) -> list[tuple[int, int]]:
    """First and end of the runs of ascending numbers that follow one another."""
    starts = np.flatnonzero(np.append(True, np.diff(slots) != 1)[: len(slots)])
    ends = np.append(starts, len(slots))[1:]
    return [(int(slots[start]), int(slots[end - 1]) + 1) for start, end in zip(starts, ends, strict=True)]


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
