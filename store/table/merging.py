"""Merging rows of one key by measure: a measure that a later row lacks keeps its value, others are replaced. Pure.

A device that sends temperature, humidity and CO2 of the same moment in three messages gets one row with all three. A
row *replaces* if it changes the value of a measure, and *adds* if it has a measure that had no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from store.memory.newness import Bools
from store.table.series_state import Places, bits_of


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """The result of merging.

    columns   as given, with one value per key
    replaces  per row: whether it changed an existing value
    adds      per row: whether it has a measure that had no value
    """

    columns: dict[str, pa.Array]
    replaces: Bools
    adds: Bools


def merge(keys: Places, columns: Mapping[str, pa.Array], measure_of: Mapping[str, str]) -> Merged:
    """Merge rows in order; `keys` is the number of each row's key, from 0 without gaps.

    `measure_of` names the measure of each column: a measure may have several columns, of different types, and each row
    has a value in at most one of them.
    """
    order = np.argsort(keys, kind="stable")
    by_key = keys[order]
    starts = np.flatnonzero(np.append(True, by_key[1:] != by_key[:-1]))
    ends = np.append(starts[1:], len(order)) - 1
    first = starts[by_key]  # the first row of each row's key
    last: dict[str, Places] = {}  # by column: for each row, the row with the last value so far; -1 if there is none
    newest: dict[str, Places] = {}  # the same by measure
    for name, values in columns.items():
        present = values.is_valid().to_numpy(zero_copy_only=False)[order]
        last[name] = np.maximum.accumulate(np.where(present, np.arange(len(order)), -1))
        measure = measure_of[name]
        newest[measure] = np.maximum(newest[measure], last[name]) if measure in newest else last[name]
    replaces, adds = np.zeros(len(order), np.bool_), np.zeros(len(order), np.bool_)
    merged = {}
    for name, values in columns.items():
        upto = newest[measure_of[name]]
        has_it = last[name] == np.arange(len(order))
        before = np.append(-1, upto[:-1])
        stood = before >= first
        bits = bits_of(values)[order]
        is_equal = (before == np.append(-1, last[name][:-1])) & (bits == bits[before])
        adds |= has_it & ~stood
        replaces |= has_it & stood & ~is_equal
        stands = (last[name][ends] >= starts) & (last[name][ends] == upto[ends])
        merged[name] = values.take(pa.array(order[last[name][ends]], mask=~stands))
    result = Merged(merged, np.empty_like(replaces), np.empty_like(adds))
    result.replaces[order], result.adds[order] = replaces, adds
    return result
