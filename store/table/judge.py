"""Version rules for records of WriteRecords whose key is already stored. Pure.

Timestream's rule (WriteRecords … `Version` in the API reference): repeating the same values and version is a success
that changes nothing; a higher version replaces the whole record, also with equal values; a lower version, or the same
with other values, is rejected, and the response contains the stored version. Records from MQTT are merged instead
(`store.table.merging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from store.memory.newness import Bools
from store.record import Int64s, Outcome


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored row of a key: its version, and its values by measure; absent measures are left out."""

    version: int
    values: Mapping[str, object]


def judge(stored: Stored | None, version: int, values: Mapping[str, object]) -> Outcome:
    """The outcome of a record with `version` and `values`, if its key has the row `stored`."""
    if stored is None:
        return Outcome.NEW
    if version > stored.version:
        return Outcome.REPLACED
    if version == stored.version and stored.values == values:
        return Outcome.SAME
    return Outcome.REJECTED


def judge_all(
    stands: Bools, stored_version: Int64s, version: Int64s, equal: Bools
) -> tuple[npt.NDArray[np.uint8], Int64s]:
    """`judge` for many records of different keys: the outcomes, and the stored versions of those that are rejected.

    stands  whether there is a stored row; `stored_version` and `equal` (to its values) count only then
    """
    outcomes = np.full(len(version), Outcome.REJECTED, np.uint8)
    outcomes[(version == stored_version) & equal] = Outcome.SAME
    outcomes[version > stored_version] = Outcome.REPLACED
    outcomes[~stands] = Outcome.NEW
    return outcomes, np.where(outcomes == Outcome.REJECTED, stored_version, 0)


def is_equal(come: Mapping[str, pa.Array], at: npt.NDArray[np.intp], stored: Mapping[str, pa.Array]) -> Bools | None:
    """Whether each row has the values of its stored row, whose place is `at` (-1: none); NaN is equal to NaN.

    None if a measure has another type there: such values must be compared one by one.
    """
    equal = at >= 0
    if not equal.any():
        return equal
    rows, places = pa.array(np.flatnonzero(equal)), pa.array(at[equal])
    same = np.ones(len(rows), np.bool_)
    for name in {**come, **stored}:
        if name not in come or name not in stored:
            only = stored[name].take(places) if name in stored else come[name].take(rows)
            same &= only.is_null().to_numpy(zero_copy_only=False)
            continue
        new, old = come[name].take(rows), stored[name].take(places)
        if pa.types.is_timestamp(new.type):
            new = new.view(pa.int64())
        if new.type != old.type:
            return None
        same &= _equal(new, old)
    equal[equal] = same
    return equal


def _equal(new: pa.Array, old: pa.Array) -> Bools:
    equal = pc.fill_null(pc.equal(new, old), False)
    if pa.types.is_floating(new.type):
        equal = pc.or_(equal, pc.fill_null(pc.and_(pc.is_nan(new), pc.is_nan(old)), False))
    both_null = pc.and_(new.is_null(), old.is_null())
    return np.asarray(pc.or_(equal, both_null).to_numpy(zero_copy_only=False))
