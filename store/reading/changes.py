"""In which slots of time a table has changed since an earlier version of it, by the commits in between.

Only rows that are committed count: those in RAM are told after their flush, also after a crash. Compaction changes
nothing. More slots may be told than have changed, never fewer.
"""

# ruff: noqa: S608 - SQL is put together here, from numbers

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from store import layout
from store.engine.duck import Cursor, run
from store.magnetic import delta_log
from store.magnetic.parquet import DataFile
from store.magnetic.versions import Newest
from store.record import Int64s

MOST_COMMITS = 1_000  # more are taken for a change of everything


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Up to a version.

    slots    ascending: time // width; None: any may have changed
    emptied  slots of which rows are gone that a DELETE chose; None: any may be
    from_ns  of the oldest row; None: there is no row
    """

    version: int
    slots: Int64s | None
    emptied: Int64s | None
    from_ns: int | None


_NOTHING = np.zeros(0, np.int64)
_DAY_NS = 86_400_000_000_000


def changes(cursor: Cursor, newest: Newest, since: int, width_ns: int) -> Changes:
    """The changes of a table after version `since`, -1: before the first. Raises MagneticTierError, QueryFailed."""
    version = newest.version
    from_ns = min((file.from_ns for file in version.files), default=None)
    if since < 0:
        return Changes(version.number, None, _NOTHING, from_ns)
    if not since <= version.number <= since + MOST_COMMITS:
        return Changes(version.number, None, None, from_ns)
    added: list[DataFile] = []
    days: set[int] = set()
    for number in range(since + 1, version.number + 1):
        commit = delta_log.read(newest.location, number)
        if not commit:  # a checkpoint has replaced it
            return Changes(version.number, None, None, from_ns)
        added += delta_log.new_files(commit)
        days.update(delta_log.deleted_days(commit))
    there = {file.path for file in version.files}
    kept = [file for file in added if file.path in there]
    merged = [_within(file.from_ns, file.to_ns, width_ns) for file in added if file.path not in there]
    emptied = [_within(day * _DAY_NS, (day + 1) * _DAY_NS - 1, width_ns) for day in sorted(days)]
    slots = np.unique(np.concatenate([_slots(cursor, newest, kept, width_ns), *merged, *emptied]))
    return Changes(version.number, slots, np.unique(np.concatenate([_NOTHING, *emptied])), from_ns)


def _within(first_ns: int, last_ns: int, width_ns: int) -> Int64s:
    return np.arange(first_ns // width_ns, last_ns // width_ns + 1)


def _slots(cursor: Cursor, newest: Newest, files: Sequence[DataFile], width_ns: int) -> Int64s:
    """The slots in which these files have rows."""
    if not files:
        return _NOTHING
    slot = f'(epoch_us("{layout.TIME}") * 1000) // {width_ns}'
    found = run(cursor, f"SELECT DISTINCT {slot} FROM {newest.data.relation(cursor, files, ())}", ())
    return np.asarray(found.column(0).to_numpy(), np.int64)
