"""Decides which rows of a batch are stored and which are repeats of stored rows. Pure: values in, verdicts out.

Rows that are strictly later than all rows of their series are new without a look-up, and so are rows whose time is
their arrival time: no two messages have the same arrival time, also if the host's clock was set back and all rows seem
late; only replayed dead letters keep an earlier one. All other rows are *doubtful* (late, repeated, with another
version, or parts of the same moment): `store.table.judge` decides if they have versions, else they are merged by
measure. Every stored row is complete and appended; if it supersedes another, its time is marked.

Merging: doubtful rows of a batch, and new rows that they repeat, are combined by key, and each key is stored once. The
recent rows of a series often show the stored row of a key (none, or exactly this one); otherwise the caller looks it
up, between `sort` and `settle`, for all keys of a batch together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.catalog.schema import Column
from store.memory.newness import Bools, strictly_later
from store.record import Int32s, Int64s, Outcome
from store.table.incoming import Incoming, Standing
from store.table.judge import Stored, is_equal, judge, judge_all
from store.table.merging import merge
from store.table.series_state import Places, SeriesState, UInt64s, digest


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """The keys of some rows. `of_row` is the key number of each row, from 0; the other arrays are by key.

    row       the last row with this key
    slot      its index among the recent rows of its series; -1 if it is not there
    is_known  whether a key that is not there is not stored at all
    """

    of_row: Places
    row: Places
    slot: Places
    is_known: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Sorted:
    """A batch after the first step.

    digests   of each row's values; None if rows must not be remembered
    doubtful  indices in the batch: rows whose outcome depends on stored rows; `keys` are their keys
    same      indices: repeats of rows that are stored with the same values
    asked     key numbers: those to be looked up
    """

    rows: Incoming
    digests: UInt64s | None
    doubtful: Places
    keys: Keys
    same: Places
    asked: Places

    @property
    def asked_for(self) -> tuple[Int32s, Int64s]:
        """Series and time of the keys to be looked up."""
        at = self.doubtful[self.keys.row[self.asked]]
        return self.rows.series[at], self.rows.time_ns[at]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Complete rows to be stored, and what their series remember: see `SeriesState.remember`.

    supersedes  indices of rows that supersede another row
    """

    rows: Incoming
    digests: UInt64s | None
    slot: Places | None = None
    is_known: Bools | None = None
    supersedes: Places | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """The outcome of each row of a batch, the stored version if it was rejected, and the rows to be stored."""

    outcomes: npt.NDArray[np.uint8]
    existing_version: Int64s
    kept: tuple[Kept, ...]


def sort(rows: Incoming, state: SeriesState) -> Sorted:
    """Find the rows that need no look-up, and the keys to be looked up for the others."""
    later = strictly_later(rows.series, rows.time_ns, state.last_ns)
    if not (rows.by_version or rows.again or later.all()):
        later |= rows.time_ns == rows.arrival_ns
    digests = None
    if not rows.by_version and (rows.version == 1).all():
        digests = digest([(column.name, values) for column, values in rows.columns.items()], len(rows))
    if later.all():
        return Sorted(rows, digests, _NO_PLACES, _NO_KEYS, _NO_PLACES, _NO_PLACES)
    doubtful = _with_first_of_key(rows, ~later)
    keys = _keys(rows, doubtful, state, may_be_known=digests is not None)
    same = _NO_PLACES
    if digests is not None:
        is_same = _is_same(keys, rows.series[doubtful], digests[doubtful], state)
        if is_same.any():  # most of them are messages that were sent twice
            same, doubtful = doubtful[is_same], doubtful[~is_same]
            keys = _keys(rows, doubtful, state, may_be_known=True) if len(doubtful) else _NO_KEYS
    return Sorted(rows, digests, doubtful, keys, same, np.flatnonzero(~keys.is_known | (keys.slot >= 0)))


def settle(found: Sorted, standing: Standing) -> Verdicts:
    """Decide the outcome of each row, given the stored rows of the keys that were looked up."""
    rows = found.rows
    outcomes, existing = np.zeros(len(rows), np.uint8), np.zeros(len(rows), np.int64)
    outcomes[found.same] = Outcome.SAME
    if not len(found.doubtful):
        if not len(found.same):
            return Verdicts(outcomes, existing, (Kept(rows, found.digests),))
        kept = None
    elif rows.by_version:
        outcomes[found.doubtful], existing[found.doubtful], kept = _judged(found, standing)
    else:
        outcomes[found.doubtful], kept = _merged(found, standing)
    is_new = np.ones(len(rows), np.bool_)
    is_new[found.doubtful] = is_new[found.same] = False
    new = np.flatnonzero(is_new)
    plain = Kept(rows.at(new), None if found.digests is None else found.digests[new]) if len(new) else None
    return Verdicts(outcomes, existing, tuple(part for part in (kept, plain) if part is not None))


def _with_first_of_key(rows: Incoming, doubtful: Bools) -> Places:
    """The doubtful rows, and rows whose key a doubtful row repeats."""
    of_series = np.flatnonzero(np.isin(rows.series, rows.series[doubtful]))
    order = of_series[np.lexsort((rows.time_ns[of_series], rows.series[of_series]))]
    series, time_ns = rows.series[order], rows.time_ns[order]
    repeats = (series[1:] == series[:-1]) & (time_ns[1:] == time_ns[:-1])
    found = doubtful.copy()
    found[order[:-1][repeats]] = True
    return np.flatnonzero(found)


def _keys(rows: Incoming, doubtful: Places, state: SeriesState, *, may_be_known: bool) -> Keys:
    series, time_ns = rows.series[doubtful], rows.time_ns[doubtful]
    order = np.lexsort((time_ns, series))
    by_series, by_time = series[order], time_ns[order]
    begins = np.append(True, (by_series[1:] != by_series[:-1]) | (by_time[1:] != by_time[:-1]))
    of_row = np.empty(len(order), np.intp)
    of_row[order] = np.cumsum(begins) - 1
    last = order[np.append(np.flatnonzero(begins)[1:], len(order)) - 1]
    series, time_ns = series[last], time_ns[last]
    remembered = state.times_ns[series] == time_ns[:, None]
    slot = np.where(remembered.any(axis=1), remembered.argmax(axis=1), -1)
    is_known = (time_ns >= state.known_from_ns[series]) & may_be_known
    return Keys(of_row, last, slot, is_known)


def _is_same(keys: Keys, series: Int32s, digests: UInt64s, state: SeriesState) -> Bools:
    """For each row, whether all rows with its key have the stored values."""
    is_held = keys.is_known & (keys.slot >= 0)
    if not is_held.any():
        return np.zeros(len(series), np.bool_)
    differs = np.zeros(len(is_held), np.bool_)
    differs[keys.of_row[digests != state.digests[series, keys.slot[keys.of_row]]]] = True
    return np.asarray((is_held & ~differs)[keys.of_row])


# By version


def _judged(found: Sorted, standing: Standing) -> tuple[npt.NDArray[np.uint8], Int64s, Kept | None]:
    part, keys = found.rows.at(found.doubtful), found.keys
    place = np.full(len(keys.row), -1, np.intp)  # by key: its stored row
    place[found.asked[standing.key]] = np.arange(len(standing.key))
    at = place[keys.of_row]
    equal = is_equal({column.name: values for column, values in part.columns.items()}, at, standing.measures)
    if equal is None:
        outcomes, existing = np.zeros(len(part), np.uint8), np.zeros(len(part), np.int64)
        one_by_one = np.arange(len(part))
    else:
        stored_version = standing.version[at] if len(standing.key) else np.zeros(len(part), np.int64)
        outcomes, existing = judge_all(at >= 0, stored_version, part.version, equal)
        one_by_one = np.flatnonzero(np.bincount(keys.of_row)[keys.of_row] > 1)
    if len(one_by_one):
        _judge_in_turn(part, one_by_one, keys.of_row, place, standing, outcomes, existing)
    stored_rows = np.flatnonzero((outcomes == Outcome.NEW) | (outcomes == Outcome.REPLACED))
    if not len(stored_rows):
        return outcomes, existing, None
    supersedes = np.flatnonzero(outcomes[stored_rows] == Outcome.REPLACED)
    return outcomes, existing, Kept(part.at(stored_rows), None, supersedes=supersedes)


def _judge_in_turn(
    part: Incoming,
    rows: Places,
    key_of: Places,
    place: Places,
    standing: Standing,
    outcomes: npt.NDArray[np.uint8],
    existing: Int64s,
) -> None:
    """Judge these rows one after the other, because some have the same key, or values of another type than stored."""
    arrow = pa.array(rows)
    come = _records({column.name: _plain(values.take(arrow)) for column, values in part.columns.items()}, len(rows))
    known = [key for key in np.unique(key_of[rows]).tolist() if place[key] >= 0]
    kept = pa.array(place[known])
    stood = _records({name: values.take(kept).to_pylist() for name, values in standing.measures.items()}, len(known))
    stands = {key: Stored(int(standing.version[place[key]]), values) for key, values in zip(known, stood, strict=True)}
    for row, values in zip(rows.tolist(), come, strict=True):
        key, version = int(key_of[row]), int(part.version[row])
        stored = stands.get(key)
        outcome = outcomes[row] = judge(stored, version, values)
        existing[row] = stored.version if outcome == Outcome.REJECTED and stored is not None else 0
        if outcome in {Outcome.NEW, Outcome.REPLACED}:
            stands[key] = Stored(version, values)


def _records(columns: dict[str, list[object]], count: int) -> list[dict[str, object]]:
    """Rows from columns of this length; absent values are left out."""
    return [{name: values[i] for name, values in columns.items() if values[i] is not None} for i in range(count)]


# By measure


def _merged(found: Sorted, standing: Standing) -> tuple[npt.NDArray[np.uint8], Kept | None]:
    """Merge the stored rows with the new ones, and keep rows that have changed."""
    part, keys = found.rows.at(found.doubtful), found.keys
    stood = found.asked[standing.key]
    columns = _put_before(standing, part)
    merged = merge(
        np.concatenate((stood, keys.of_row)),
        {column.physical: values for column, values in columns.items()},
        {column.physical: column.name for column in columns},
    )
    replaces, adds = merged.replaces[len(stood) :], merged.adds[len(stood) :]
    is_standing = np.zeros(len(keys.row), np.bool_)
    is_standing[stood] = True
    first_row = np.full(len(keys.row), len(part), np.intp)
    np.minimum.at(first_row, keys.of_row, np.arange(len(part)))
    outcomes = np.full(len(part), Outcome.SAME, np.uint8)
    outcomes[adds] = Outcome.MERGED
    outcomes[replaces] = Outcome.REPLACED
    outcomes[first_row[~is_standing]] = Outcome.NEW
    is_stored = ~is_standing
    is_stored[keys.of_row[replaces | adds]] = True
    version = part.version[keys.row]
    version[stood] = np.maximum(version[stood], standing.version)
    stored = np.flatnonzero(is_stored)
    if not len(stored):
        return outcomes, None
    values = {column: merged.columns[column.physical].take(pa.array(stored)) for column in columns}
    rows = part.at(keys.row[stored], values)
    rows.version[:] = version[stored]
    digests = None
    if found.digests is not None:
        digests = digest([(column.name, of) for column, of in values.items()], len(stored))
    supersedes = np.flatnonzero(is_standing[stored])
    return outcomes, Kept(rows, digests, keys.slot[stored], keys.is_known[stored], supersedes)


def _put_before(standing: Standing, part: Incoming) -> dict[Column, pa.Array]:
    """The stored columns of existing rows, followed by those of `part`."""
    if not len(standing.key):
        return dict(part.columns)
    before = {column: standing.measures[name] for name, column in standing.stored.items()}
    columns = {}
    for column in dict.fromkeys((*part.columns, *before)):
        kind = column.type.arrow
        first = _as(before[column], kind) if column in before else pa.nulls(len(standing.key), kind)
        last = part.columns[column] if column in part.columns else pa.nulls(len(part), kind)
        columns[column] = pa.concat_arrays([first, last])
    return columns


def _plain(values: pa.Array) -> list[object]:
    """Values in the form of `Standing`: timestamps as integer nanoseconds."""
    plain: list[object] = (values.view(pa.int64()) if pa.types.is_timestamp(values.type) else values).to_pylist()
    return plain


def _as(plain: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values from the form of `Standing` to the type used in batches."""
    return plain.view(kind) if pa.types.is_timestamp(kind) else plain


_NO_PLACES = np.zeros(0, np.intp)
_NO_KEYS = Keys(_NO_PLACES, _NO_PLACES, _NO_PLACES, np.zeros(0, np.bool_))
