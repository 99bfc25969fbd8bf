"""Counters: what only grows, until it is reset, as how fast it grows.

    2, 5, 11, 0, 4  at every second  ->  none, 3, 6, none, 4

How much was counted around a reset is not known, so there is no rate; nor at the first value.
"""

from __future__ import annotations

import numpy as np

from rules.values.arrays import Float64s, Indices
from store.record import Int64s

SECOND_NS = 10**9


def increase_per_s(change: Float64s, gap_ns: Int64s) -> Float64s:
    """How fast counters grew that changed by so much in this time; NaN after a reset, and where no time has passed."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        rate = change * (SECOND_NS / gap_ns)
    return np.where((gap_ns > 0) & (change >= 0) & np.isfinite(rate), rate, np.nan)


def rates_of(time_ns: Int64s, values: Float64s, of: Indices) -> Float64s:
    """The increase per second at each row, since the row before of the same series that has a value; else NaN."""
    rows = np.flatnonzero(~np.isnan(values))
    rows = rows[np.argsort(of[rows], kind="stable")]
    before, after = rows[:-1], rows[1:]
    rates = np.full(len(values), np.nan)
    found = increase_per_s(values[after] - values[before], time_ns[after] - time_ns[before])
    rates[after] = np.where(of[after] == of[before], found, np.nan)
    return rates
