"""Merging rows of one key by measure: what a later row lacks stays, what it has stands. Pure.

A device that sends temperature, humidity and CO2 of one moment in three messages has one row with all three. A row
*replaces* where it has another value of a measure than stood; it *adds* where it has a measure that nothing stood for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.newness import Bools
from store.series_state import bits_of

Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """What rows of keys became.

    measures  by name, one value per key
    replaces  per row: whether it changed a value that stood
    adds      per row: whether it has a measure that nothing stood for
    """

    measures: dict[str, pa.Array]
    replaces: Bools
    adds: Bools


def merge(keys: Places, measures: Mapping[str, pa.Array]) -> Merged:
    """Merge rows, in order; `keys` numbers each row's key, from 0 without gaps."""
    order = np.argsort(keys, kind="stable")
    by_key = keys[order]
    starts = np.flatnonzero(np.append(True, by_key[1:] != by_key[:-1]))
    ends = np.append(starts[1:], len(order)) - 1
    first = starts[by_key]  # of each row's key
    replaces, adds = np.zeros(len(order), np.bool_), np.zeros(len(order), np.bool_)
    merged = {}
    for name, values in measures.items():
        present = values.is_valid().to_numpy(zero_copy_only=False)[order]
        last = np.maximum.accumulate(np.where(present, np.arange(len(order)), -1))  # row with a value, up to each row
        before = np.append(-1, last[:-1])
        stood = before >= first
        bits = bits_of(values)[order]
        adds |= present & ~stood
        replaces |= present & stood & (bits != bits[before])
        stands = last[ends] >= starts
        merged[name] = values.take(pa.array(order[last[ends]], mask=~stands))
    result = Merged(merged, np.empty_like(replaces), np.empty_like(adds))
    result.replaces[order], result.adds[order] = replaces, adds
    return result
