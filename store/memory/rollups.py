"""Rollups of a table: which measures have them, and those of its rows in RAM.

A measure is rolled up from the time on at which averages of it are asked, until nobody has asked for `WANTED_NS`. What
is sealed, or a file, is rolled up by the maintenance; a query only adds the rows that have come since the last one.
Chunks that are merged keep their rollups. If a series changes its zone, all rollups are made again, once the zones have
been the same for `SETTLES_NS`; until then averages are made of rows. Bins that are no whole minutes need fine slots,
which take twelve times the room: those of rows in RAM from the time on that is asked for.
"""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import pyarrow as pa

from store import layout
from store.engine.duck import Cursor, stream
from store.memory.cut_minutes import CutMinutes
from store.memory.rollup import EMPTY, MINUTE_NS, Rolled, Rollup, RollupOf, Samples, is_of, rolled, rollup_of
from store.memory.tier import CHUNK_ROWS, Chunk
from store.memory.zone_numbers import ZoneNumbers
from store.record import Int32s, SeriesIndex

WANTED_NS = 900_000_000_000
SETTLES_NS = 60_000_000_000
MOST_FINE_ROWS = 2_000_000  # of a chunk: at most 22 MB of sums
MOST_FILES = 4_000  # asked for and not yet rolled up


class Rollups:
    """What queries and the maintenance of a table share. Any thread.

    files        rollups of Parquet files, by path
    cut_minutes  rows of the minutes in which questions began or ended
    wanted       which rollups somebody asks for, and when it was asked for last
    """

    def __init__(self, index: SeriesIndex) -> None:
        self.zones = ZoneNumbers(index)
        self.files: dict[str, dict[RollupOf, Rolled]] = {}
        self.cut_minutes = CutMinutes()
        self.wanted: dict[RollupOf, int] = {}
        self._since_ns: dict[RollupOf, int] = {}  # the times of the last questions began not earlier
        self._asked: dict[RollupOf, int] = {}  # since the last call of `wanted_at`: when the earliest question begins
        self._asked_files: dict[str, None] = {}
        self._zoning = 0
        self._settled_ns: int | None = None

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked for averages not long ago; if not, there are no rollups."""
        return bool(self.wanted or self._asked)

    def ask(self, keys: Iterable[RollupOf], from_ns: int, files: Iterable[str]) -> None:
        """Record that a query asks for these from a time on, and which files it reads without them."""
        for key in keys:
            self._asked[key] = min(self._asked.get(key, from_ns), from_ns)
        for path in files:
            if len(self._asked_files) < MOST_FILES:
                self._asked_files[path] = None

    def has(self, path: str, keys: Iterable[RollupOf], zoning: int) -> bool:
        """Whether a file is rolled up, as far as it pays."""
        of_file = self.files.get(path, {})
        return all(is_of(of_file.get(key), zoning) for key in keys)

    def take_files(self) -> list[str]:
        """The files that queries have read since the last call."""
        found, self._asked_files = list(self._asked_files), {}
        return found

    def wanted_at(self, now_ns: int) -> list[RollupOf]:
        """What to roll up now, by the monotonic clock; nothing while series change their zones."""
        asked, self._asked = self._asked, {}
        for key, from_ns in asked.items():
            self.wanted[key], self._since_ns[key] = now_ns, from_ns
        for key in [key for key, asked_ns in self.wanted.items() if now_ns - asked_ns > WANTED_NS]:
            del self.wanted[key]
        if not self.wanted:
            return []
        zoning, _ = self.zones.of_series()
        if zoning != self._zoning:
            self._zoning, self._settled_ns = zoning, now_ns + SETTLES_NS
        return list(self.wanted) if self._settled_ns is None or now_ns >= self._settled_ns else []

    def pays(self, key: RollupOf, chunk: Chunk) -> bool:
        """Whether a chunk is to be rolled up so: in fine slots only if it is new, and not too large."""
        is_new = chunk.to_ns >= self._since_ns.get(key, chunk.to_ns)
        return key.grain_ns == MINUTE_NS or (is_new and chunk.rows <= MOST_FINE_ROWS)

    def keep_only(self, chunks: Iterable[Chunk], paths: set[str]) -> None:
        """Drop what is kept of measures that are not wanted, and of other chunks and files."""
        chunks = list(chunks)
        for path in [path for path in self.files if path not in paths]:
            del self.files[path]
        for of_piece in [*(chunk.rolled for chunk in chunks), *self.files.values()]:
            for key in [key for key in of_piece if key not in self.wanted]:
                of_piece.pop(key, None)
        measures = {key.measure for key in self.wanted}
        self.cut_minutes.keep_only({*(chunk.name for chunk in chunks), *paths}, measures)


def roll_up_chunk(cursor: Cursor, chunk: Chunk, rows: int, keys: Sequence[RollupOf], zones: ZoneNumbers) -> None:
    """Roll up the first `rows` rows, from those on that are rolled up already.

    Several threads may do it at once: each result is whole.
    """
    zoning, of_series = zones.of_series()
    begun: dict[int, dict[RollupOf, Rollup]] = {}  # by the number of rows that are rolled up
    for key in (key for key in keys if key.measure in chunk.measures):
        known = chunk.rolled.get(key)
        if known is None or known.zoning != zoning:
            begun.setdefault(0, {})[key] = EMPTY
        elif known.rows < rows and known.rollup is not None:
            begun.setdefault(known.rows, {})[key] = known.rollup
    for first, known_parts in begun.items():
        names = {key.measure for key in known_parts}
        values = "".join(f', "{name}"::DOUBLE AS "{name}"' for name in names)
        sql = (
            f'SELECT "{layout.SERIES_ID}", "{layout.TIME_NS}"{values} FROM {chunk.name} '
            f"WHERE rowid >= {first} AND rowid < {rows}"
        )
        batches = stream(cursor, sql, CHUNK_ROWS)
        found = rollups_of(batches, list(known_parts), lambda batch: of_series[batch[layout.SERIES_ID].to_numpy()])
        for key, part in known_parts.items():
            chunk.rolled[key] = rolled(zoning, rows, [part, *found[key]])


def rollups_of(
    batches: Iterable[pa.RecordBatch], keys: Sequence[RollupOf], zone_of: Callable[[pa.RecordBatch], Int32s]
) -> dict[RollupOf, list[Rollup]]:
    """The rollups of batches with the time and the measures; `zone_of` returns the number of each row's zone."""
    found: dict[RollupOf, list[Rollup]] = {key: [] for key in keys}
    for name, samples in samples_of(batches, {key.measure for key in keys}, zone_of):
        for key in keys:
            if key.measure == name:
                found[key].append(rollup_of(samples, key.grain_ns))
    return found


def samples_of(
    batches: Iterable[pa.RecordBatch], measures: Collection[str], zone_of: Callable[[pa.RecordBatch], Int32s]
) -> Iterator[tuple[str, Samples]]:
    """The samples of each of these columns of each batch, by the column's name; the rest as for `rollups_of`."""
    for batch in batches:
        zone, time_ns = zone_of(batch), batch[layout.TIME_NS].to_numpy()
        for name in measures:
            values = batch[name]
            if values.null_count:
                there = values.is_valid().to_numpy(zero_copy_only=False)
                yield name, Samples(zone[there], time_ns[there], values.drop_null().to_numpy())
            else:
                yield name, Samples(zone, time_ns, values.to_numpy())
