"""The form of sealed chunks, in which times and sequences, which would be half of one, take a few bits a row.

Times are counted in milliseconds from the chunk's first one, if they are whole ones, and "time_ns" is computed from
that; DuckDB converts conditions on it. Sequences matter only between rows of one key, and for the offsets at which
units changed. So all rows have the lowest one of the chunk, unless a row of their time replaces another: still each
row is above the rows of its key in earlier chunks.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from store import layout
from store.engine.duck import Cursor, run
from store.record import Int64s
from store.sequence import OFFSET_BITS

WITHOUT_TIME = (
    f'"{layout.SERIES_ID}" INTEGER, "{layout.VERSION}" BIGINT, "{layout.PARTITION}" SMALLINT, '
    f'"{layout.SEQUENCE}" BIGINT'
)
_MS = 1_000_000
_FAR_NS = 1 << 62  # times further apart are not counted from the first one, which might overflow
_EXACT = "exact_times"


@dataclass(frozen=True, slots=True)
class SealedForm:
    """Times are `from_ns` and a number of ticks; `lowest` is the sequence of most rows, None: all are exact."""

    from_ns: int
    tick_ns: int
    lowest: int | None

    @property
    def columns(self) -> str:
        """The columns of the chunk, without measures."""
        time = f'{self.from_ns} + "{layout.TICKS}" * {self.tick_ns}'
        return (
            f'"{layout.TICKS}" BIGINT, "{layout.TIME_NS}" BIGINT GENERATED ALWAYS AS ({time}) VIRTUAL, {WITHOUT_TIME}'
        )

    def keep_exact(self, cursor: Cursor, times_ns: Sequence[Int64s]) -> None:
        """Keep the sequences of rows with these times, when `cursor` runs `rows_of`."""
        times = np.concatenate([*times_ns, np.zeros(0, np.int64)])
        cursor.register(_EXACT, pa.table({layout.TIME_NS: times}))

    def rows_of(self, queries: Iterable[str]) -> str:
        """The query for these rows of unsealed chunks in this form, sorted by series and time."""
        is_exact = f'"{layout.TIME_NS}" IN (SELECT "{layout.TIME_NS}" FROM {_EXACT})'
        exact = f'"{layout.SEQUENCE}"'
        sequence = exact if self.lowest is None else f"CASE WHEN {is_exact} THEN {exact} ELSE {self.lowest} END"
        ticks = f'("{layout.TIME_NS}" - {self.from_ns}) // {self.tick_ns} AS "{layout.TICKS}"'
        return (
            f'SELECT * EXCLUDE ("{layout.TIME_NS}") REPLACE ({sequence} AS "{layout.SEQUENCE}"), {ticks} '
            f'FROM ({" UNION ALL BY NAME ".join(queries)}) ORDER BY "{layout.SERIES_ID}", "{layout.TIME_NS}"'
        )


def form_of(
    cursor: Cursor,
    queries: Iterable[str],
    times_ns: tuple[int, int],
    last_sequence: Mapping[int, int],
    begins: Sequence[int],
) -> SealedForm:
    """The form for these rows with times from the first to the last of `times_ns`.

    `last_sequence` is by partition number; `begins` are offsets from which rows mean something else.
    """
    first_ns, last_ns = times_ns
    from_ns = first_ns if last_ns - first_ns < _FAR_NS else 0
    rows = " UNION ALL ".join(f'SELECT "{layout.TIME_NS}", "{layout.SEQUENCE}" FROM ({query})' for query in queries)
    is_whole = f'bool_and(("{layout.TIME_NS}" - {from_ns}) % {_MS} = 0)'
    (found,) = run(cursor, f'SELECT {is_whole} AS "ms", min("{layout.SEQUENCE}") AS "lowest" FROM ({rows})').to_pylist()
    lowest, last = found["lowest"], max(last_sequence.values())
    is_one_kind = len(last_sequence) == 1 and not any(lowest < begin << OFFSET_BITS <= last for begin in begins)
    return SealedForm(from_ns, _MS if found["ms"] else 1, lowest if is_one_kind else None)
