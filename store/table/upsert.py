"""Which rows of a batch are stored, and which stand at their keys already.

Rows strictly later than all their series has are new without a look-up, and so are those whose time is their arrival:
no two messages have one stamp, also where the host's clock was set back and all that comes seems late; only what is put
through again comes with the stamp it had. The rest, the *doubtful* ones (late, repeated, re-versioned, or parts of one
moment), are judged by `store.table.judge` if they come with versions, else merged by measure. Every stored row is whole
and appended; one that supersedes another marks its time.

Merging: the doubtful rows of a batch and the new ones that they repeat are put together key by key, and each key is
stored once. What stood at a key is known from the recent rows of its series (that nothing did, or exactly this), else
looked up in both tiers, all of a batch together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.catalog.schema import Column
from store.memory.newness import Bools, strictly_later
from store.record import Int64s, Outcome, RecordBatch
from store.table.judge import Stored, judge
from store.table.merging import Places, merge
from store.table.series_state import UInt64s, digest

if TYPE_CHECKING:
    from store.table.table import Table


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
    if not (batch.by_version or batch.again or later.all()):
        later |= batch.time_ns == batch.arrival_ns
    digests = None if batch.by_version or (batch.version != 1).any() else digest(batch.measures.items(), count)
    if later.all():
        table.accept(batch, sequence)
        _note(table, batch, digests)
        return accepted
    doubtful = ~later if batch.by_version else _with_first_of_key(batch, ~later)
    rows = np.flatnonzero(~doubtful)
    if len(rows):
        table.accept(batch.take(rows), sequence[rows])
        _note(table, batch.take(rows), digests[rows] if digests is not None else None)
    rest = np.flatnonzero(doubtful)
    part = batch.take(rest)
    if batch.by_version:
        judged = _judge(table, part, sequence[rest])
    else:
        judged = _merge(table, part, sequence[rest], digests[rest] if digests is not None else None)
    accepted.outcomes[rest] = judged.outcomes
    accepted.existing_version[rest] = judged.existing_version
    accepted.rows = len(rows) + judged.rows
    return accepted


def _with_first_of_key(batch: RecordBatch, doubtful: Bools) -> Bools:
    """The doubtful rows, and rows whose key a doubtful one repeats."""
    of_series = np.flatnonzero(np.isin(batch.series, batch.series[doubtful]))
    order = of_series[np.lexsort((batch.time_ns[of_series], batch.series[of_series]))]
    series, time_ns = batch.series[order], batch.time_ns[order]
    repeats = (series[1:] == series[:-1]) & (time_ns[1:] == time_ns[:-1])
    found = doubtful.copy()
    found[order[:-1][repeats]] = True
    return found


# By version


def _judge(table: Table, part: RecordBatch, sequence: Int64s) -> Accepted:
    count = len(part)
    accepted = Accepted(np.zeros(count, np.uint8), np.zeros(count, np.int64), 0)
    standing = {key: Stored(version, values) for key, (version, values) in table.find_stored(part).items()}
    names = list(part.measures)
    columns = [_plain(values) for values in part.measures.values()]
    for i in range(count):
        key, version = (int(part.series[i]), int(part.time_ns[i])), int(part.version[i])
        values = {name: column[i] for name, column in zip(names, columns, strict=True) if column[i] is not None}
        stored = standing.get(key)
        outcome = accepted.outcomes[i] = judge(stored, version, values)
        if outcome == Outcome.REJECTED and stored is not None:
            accepted.existing_version[i] = stored.version
        if outcome in {Outcome.NEW, Outcome.REPLACED}:
            standing[key] = Stored(version, values)
    stored_rows = np.flatnonzero((accepted.outcomes == Outcome.NEW) | (accepted.outcomes == Outcome.REPLACED))
    _accept(table, part.take(stored_rows), sequence[stored_rows], accepted.outcomes[stored_rows] == Outcome.REPLACED)
    accepted.rows = len(stored_rows)
    return accepted


# By measure


@dataclass(slots=True)
class _Keys:
    """The keys of some rows. `of_row` numbers them from 0; the rest is by key: a row that has it, and what is known."""

    of_row: Places
    last_row: Places
    slot: Places  # among the recent rows of its series; -1 if it is not there
    is_known: Bools  # whether, if it is not there, it is stored nowhere


def _merge(table: Table, part: RecordBatch, sequence: Int64s, digests: UInt64s | None) -> Accepted:
    keys = _keys(table, part, may_be_known=digests is not None)
    is_held = keys.is_known & (keys.slot >= 0)
    if digests is not None and is_held.any():
        held = table.state.digests[part.series, keys.slot[keys.of_row]]
        differs = np.zeros(len(keys.slot), np.bool_)
        differs[keys.of_row[digests != held]] = True
        same = (is_held & ~differs)[keys.of_row]
        if same.any():  # most are messages sent twice
            accepted = Accepted(np.full(len(part), Outcome.SAME, np.uint8), np.zeros(len(part), np.int64), 0)
            rows = np.flatnonzero(~same)
            if len(rows):
                rest = _merge(table, part.take(rows), sequence[rows], digests[rows])
                accepted.outcomes[rows], accepted.rows = rest.outcomes, rest.rows
            return accepted
    return _merge_standing(table, part, sequence, keys, has_digests=digests is not None)


def _merge_standing(table: Table, part: RecordBatch, sequence: Int64s, keys: _Keys, *, has_digests: bool) -> Accepted:
    """Merge what stands at the keys with the rows, and store what has changed."""
    whole = replace(part, measures={}, types={}).take(keys.last_row)
    asked = np.flatnonzero(~keys.is_known | (keys.slot >= 0))
    found = table.find_stored(whole.take(asked)) if len(asked) else {}
    at = [(int(whole.series[key]), int(whole.time_ns[key])) for key in asked]
    standing = np.array([key for key, place in zip(asked, at, strict=True) if place in found], np.intp)
    stood = [found[place] for place in at if place in found]
    columns, measure_of = _put_before(table, part, [values for _, values in stood])
    merged = merge(np.concatenate((standing, keys.of_row)), columns, measure_of)
    replaces, adds = merged.replaces[len(stood) :], merged.adds[len(stood) :]
    accepted = Accepted(np.full(len(part), Outcome.SAME, np.uint8), np.zeros(len(part), np.int64), 0)
    accepted.outcomes[adds] = Outcome.MERGED
    accepted.outcomes[replaces] = Outcome.REPLACED
    is_standing = np.zeros(len(keys.slot), np.bool_)
    is_standing[standing] = True
    first_row = np.full(len(keys.slot), len(part), np.intp)
    np.minimum.at(first_row, keys.of_row, np.arange(len(part)))
    accepted.outcomes[first_row[~is_standing]] = Outcome.NEW
    is_stored = ~is_standing
    is_stored[keys.of_row[replaces | adds]] = True
    whole.version[standing] = np.maximum(whole.version[standing], [version for version, _ in stood])
    stored = np.flatnonzero(is_stored)
    rows = whole.take(stored)
    values = {physical: column.take(pa.array(stored)) for physical, column in merged.columns.items()}
    _accept(
        table, rows, sequence[keys.last_row[stored]], is_standing[stored], columns=values, is_remembered=has_digests
    )
    if has_digests:
        digests = digest([(measure_of[physical], column) for physical, column in values.items()], len(stored))
        _remember(table, rows, digests, keys.slot[stored], keys.is_known[stored])
    accepted.rows = len(stored)
    return accepted


def _keys(table: Table, part: RecordBatch, *, may_be_known: bool) -> _Keys:
    order = np.lexsort((part.time_ns, part.series))
    series, time_ns = part.series[order], part.time_ns[order]
    begins = np.append(True, (series[1:] != series[:-1]) | (time_ns[1:] != time_ns[:-1]))
    of_row = np.empty(len(part), np.intp)
    of_row[order] = np.cumsum(begins) - 1
    last_row = order[np.append(np.flatnonzero(begins)[1:], len(order)) - 1]
    series, time_ns = part.series[last_row], part.time_ns[last_row]
    remembered = table.state.times_ns[series] == time_ns[:, None]
    slot = np.where(remembered.any(axis=1), remembered.argmax(axis=1), -1)
    is_known = (time_ns >= table.state.known_from_ns[series]) & may_be_known
    return _Keys(of_row, last_row, slot, is_known)


def _put_before(
    table: Table, part: RecordBatch, stood: list[Mapping[str, object]]
) -> tuple[dict[str, pa.Array], dict[str, str]]:
    """The stored columns, by physical name, of what stood, row by row, with those of `part` behind; their measures."""
    behind = {table.columns.measure(name, part.types[name]): values for name, values in part.measures.items()}
    before: dict[Column, list[object]] = {}
    for name in dict.fromkeys(name for values in stood for name in values):
        column = table.column_to_store(name)
        if column is not None:
            before[column] = [values.get(name) for values in stood]
    columns = {}
    for column in dict.fromkeys((*behind, *before)):
        kind = column.type.arrow
        last = behind[column] if column in behind else pa.nulls(len(part), kind)
        first = before.get(column, [None] * len(stood))
        columns[column.physical] = pa.concat_arrays([_as(first, kind), last]) if stood else last
    return columns, {column.physical: column.name for column in (*behind, *before)}


def _remember(table: Table, rows: RecordBatch, digests: UInt64s, slot: Places, is_known: Bools) -> None:
    """Note merged rows that were stored, where the recent rows of their series reach back so far."""
    changed = is_known & (slot >= 0)
    table.state.digests[rows.series[changed], slot[changed]] = digests[changed]
    new = np.flatnonzero(is_known & (slot < 0))
    if len(new):
        _note(table, rows.take(new), digests[new])


def _accept(
    table: Table,
    rows: RecordBatch,
    sequence: Int64s,
    supersedes: Bools,
    *,
    columns: Mapping[str, pa.Array] | None = None,
    is_remembered: bool = False,
) -> None:
    """Store whole rows; those that supersede another mark their times."""
    if not len(rows):
        return
    table.accept(rows, sequence, columns)
    if not is_remembered:
        np.maximum.at(table.state.last_ns, rows.series, rows.time_ns)
        np.maximum.at(table.state.known_from_ns, rows.series, rows.time_ns + 1)
    for i in np.flatnonzero(supersedes):
        table.superseded.add(int(rows.time_ns[i]), rows.stream, int(rows.offset[i]))


def _note(table: Table, batch: RecordBatch, digests: UInt64s | None) -> None:
    """Remember rows that were stored."""
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


def _as(plain: list[object], kind: pa.DataType) -> pa.Array:
    """Values that DuckDB gave, in Arrow."""
    return pa.array(plain, pa.int64()).view(kind) if pa.types.is_timestamp(kind) else pa.array(plain, kind)
