"""Which rows of a batch are stored, and which stand at their keys already.

Rows strictly later than all their series has are new without a look-up. The rest, the *doubtful* ones (late, repeated
or re-versioned), are answered from the recent rows of their series where those reach back far enough, else looked up
in both tiers, all of a batch together. Every stored row is appended; one that supersedes another marks its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.judge import Stored, judge
from store.newness import strictly_later
from store.record import Int64s, Outcome, RecordBatch
from store.series_state import UInt64s, digest

if TYPE_CHECKING:
    from store.table import Table


@dataclass(slots=True)
class Accepted:
    """Outcomes per record, and how many rows were stored."""

    outcomes: npt.NDArray[np.uint8]
    existing_version: Int64s
    rows: int


def decide(table: Table, batch: RecordBatch, sequence: Int64s) -> Accepted:
    """Store what is to be stored of `batch`."""
    count = len(batch)
    accepted = Accepted(np.zeros(count, np.uint8), np.zeros(count, np.int64), count)
    later = strictly_later(batch.series, batch.time_ns, table.state.last_ns)
    digests = None if batch.by_version or (batch.version != 1).any() else digest(batch.measures, count)
    if later.all():
        table.accept(batch, sequence)
        _note(table, batch, digests)
        return accepted
    rows = np.flatnonzero(later)
    if len(rows):
        table.accept(batch.take(rows), sequence[rows])
        _note(table, batch.take(rows), digests[rows] if digests is not None else None)
    doubtful = np.flatnonzero(~later)
    part = batch.take(doubtful)
    judged = _judge_doubtful(table, part, digests[doubtful] if digests is not None else None)
    accepted.outcomes[doubtful] = judged.outcomes
    accepted.existing_version[doubtful] = judged.existing_version
    stored = np.flatnonzero(judged.outcomes <= Outcome.REPLACED)
    stored = stored[judged.outcomes[stored] != Outcome.SAME]
    if len(stored):
        table.accept(part.take(stored), sequence[doubtful][stored], judged.versions[stored])
        if digests is None:  # the recent rows of these series do not have them
            np.maximum.at(table.state.known_from_ns, part.series[stored], part.time_ns[stored] + 1)
        for i in stored[judged.outcomes[stored] == Outcome.REPLACED]:
            table.superseded.add(int(part.time_ns[i]), part.stream, int(part.offset[i]))
    accepted.rows = len(rows) + len(stored)
    return accepted


@dataclass(slots=True)
class _Judged:
    outcomes: npt.NDArray[np.uint8]
    existing_version: Int64s
    versions: Int64s  # with which stored rows are stored


def _judge_doubtful(table: Table, part: RecordBatch, digests: UInt64s | None) -> _Judged:
    count = len(part)
    judged = _Judged(np.zeros(count, np.uint8), np.zeros(count, np.int64), part.version.copy())
    remembered = table.state.times_ns[part.series] == part.time_ns[:, None]
    known = (part.time_ns >= table.state.known_from_ns[part.series]) & (digests is not None)
    if digests is not None:
        slots = np.where(remembered.any(axis=1), remembered.argmax(axis=1), -1)
        _judge_by_digest(table, part, digests, known, slots, judged.outcomes)
    rows = np.flatnonzero(~known)
    if len(rows):
        _judge_by_lookup(table, part, rows, judged)
    return judged


def _judge_by_digest(
    table: Table,
    part: RecordBatch,
    digests: UInt64s,
    known: npt.NDArray[np.bool_],
    slots: npt.NDArray[np.intp],
    outcomes: npt.NDArray[np.uint8],
) -> None:
    state = table.state
    fresh: dict[tuple[int, int], int] = {}  # keys first seen in this very batch: their digest now
    for i in np.flatnonzero(known):
        series, time_ns, slot, value = int(part.series[i]), int(part.time_ns[i]), int(slots[i]), int(digests[i])
        key = (series, time_ns)
        if slot >= 0:
            if int(state.digests[series, slot]) == value:
                outcomes[i] = Outcome.SAME
            else:
                outcomes[i] = Outcome.REPLACED
                state.digests[series, slot] = value
        elif key in fresh:
            outcomes[i] = Outcome.SAME if fresh[key] == value else Outcome.REPLACED
            fresh[key] = value
        else:
            fresh[key] = value
    for (series, time_ns), value in fresh.items():
        if time_ns >= state.known_from_ns[series]:
            state.note(np.array([series], np.int32), np.array([time_ns], np.int64), np.array([value], np.uint64))


def _judge_by_lookup(table: Table, part: RecordBatch, rows: npt.NDArray[np.intp], judged: _Judged) -> None:
    batch = part.take(rows)
    standing = {key: Stored(version, values) for key, (version, values) in table.find_stored(batch).items()}
    names = list(batch.measures)
    columns = [_plain(values) for values in batch.measures.values()]
    for i, row in enumerate(rows):
        key = (int(batch.series[i]), int(batch.time_ns[i]))
        values = {name: column[i] for name, column in zip(names, columns, strict=True) if column[i] is not None}
        stored, version = standing.get(key), int(batch.version[i])
        outcome = judge(stored, version, values, by_version=batch.by_version)
        judged.outcomes[row] = outcome
        if outcome is Outcome.REJECTED and stored is not None:
            judged.existing_version[row] = stored.version
        if outcome in {Outcome.NEW, Outcome.REPLACED}:
            if stored is not None and not batch.by_version:
                version = max(version, stored.version)  # the later offset wins, also over a version
            judged.versions[row] = version
            standing[key] = Stored(version, values)


def _note(table: Table, batch: RecordBatch, digests: UInt64s | None) -> None:
    """Remember rows that were stored, of each series in ascending time."""
    series, time_ns = batch.series, batch.time_ns
    order = np.argsort(series, kind="stable")
    ends = np.append(np.flatnonzero(series[order][1:] != series[order][:-1]), len(order) - 1)
    if len(ends) == len(order):
        table.state.note(series, time_ns, digests)
        return
    # How many rows of its series come after each: the last `depth` are remembered, in rounds of one row per series.
    after = np.repeat(ends, np.diff(np.append(-1, ends))) - np.arange(len(order))
    early = order[after >= table.state.depth]
    if len(early):
        np.maximum.at(table.state.known_from_ns, series[early], time_ns[early] + 1)
    for round_ in range(min(table.state.depth, int(after.max()) + 1) - 1, -1, -1):
        rows = order[after == round_]
        table.state.note(series[rows], time_ns[rows], digests[rows] if digests is not None else None)


def _plain(values: pa.Array) -> list[object]:
    """Values as DuckDB gives them back: timestamps as integer nanoseconds."""
    plain: list[object] = (values.view(pa.int64()) if pa.types.is_timestamp(values.type) else values).to_pylist()
    return plain
