"""Scores of the rows of a whole table, as if they came one after the other: nothing is known of later rows.

    scores = anomaly_scores(time_ns, values)                            # one series
    scores = anomaly_scores(time_ns, values, series=sensor_codes)       # many
    scores = anomaly_scores(time_ns, values, series=sensor_codes, peers=zone_codes)

A score is L / (L + 7), L = -ln p of `rules.detectors.auto`: 0 is usual, 0.5 and more is an alert (p = 9e-4), 1 is never
reached. In the REFRACTORY rows of a series after an alert scores stay below 0.5, unless p is a million times smaller
than the alert's: one anomaly, one alert.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rules.detectors.auto import Auto
from rules.detectors.counters import rates_of
from rules.values.arrays import Bools, Float64s, Indices
from store.record import Int64s
from store.values.time_zones import UTC

ALERT = 0.5
JUST_BELOW = 0.4995
ALERT_LOG_P = 7.0
REFRACTORY = 300
FEWER = 14.0  # ln of a million


def anomaly_scores(
    time_ns: Int64s,
    values: Float64s,
    *,
    series: Indices | None = None,
    peers: Indices | None = None,
    probation: float = 0.15,
    time_zone: str = UTC,
    counter: bool = False,
) -> Float64s:
    """The score of each row, in [0, 1), in their order. Arrays of one length.

    values     NaN is judged by `missing` alone
    series     which series each row is of, as small integers; None: all are of one
    peers      whose rows of one time may be compared, as integers; rows that follow each other and have one time, each
               of another series, are one step. None: series are judged alone
    probation  the score is 0 in the first rows of each series: a number of rows, or, below 1, a ratio of its rows
    counter    values only grow, until they are reset: what is judged is how fast they grow (`rules.detectors.counters`)
    time_zone  by whose clock days are learnt, as Europe/Berlin or +01:00

    Raises ValueError if lengths differ, probation is below 0, or there is no such time zone.
    """
    of = np.zeros(len(values), np.intp) if series is None else np.asarray(series, np.intp)
    if not len(time_ns) == len(values) == len(of) or (peers is not None and len(peers) != len(values)):
        raise ValueError("time_ns, values, series and peers must have one length")
    if probation < 0:
        raise ValueError(f"probation must be at least 0, is {probation:g}")
    place = _places(of)
    auto = Auto(int(of.max(initial=-1)) + 1, time_zone=time_zone)
    time_ns, values = np.asarray(time_ns, np.int64), np.asarray(values, np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    log_p = _log_p(auto, time_ns, rates_of(time_ns, values, of) if counter else values, of, place, peers)
    first = probation * np.bincount(of)[of] if probation < 1 else np.full(len(of), probation)
    return scores_of(np.abs(log_p), of, place, place >= np.floor(first))


def _log_p(
    auto: Auto, time_ns: Int64s, values: Float64s, of: Indices, place: Indices, peers: Indices | None
) -> Float64s:
    found = np.zeros(len(values))
    for rows in _rounds(place) if peers is None else _times(time_ns, of):
        group = None if peers is None else np.asarray(peers, np.intp)[rows]
        found[rows] = auto.step(of[rows], time_ns[rows], values[rows], group).log_p
    return found


def scores_of(strength: Float64s, of: Indices, place: Indices, is_judged: Bools) -> Float64s:
    """The scores of rows with this -ln p: of which series they are, and how many rows of it are before each."""
    scores = np.where(is_judged, strength / (strength + ALERT_LOG_P), 0.0)
    alert_at, alert = np.full(int(of.max(initial=-1)) + 1, -REFRACTORY - 1), np.zeros(int(of.max(initial=-1)) + 1)
    for row in np.flatnonzero(scores >= ALERT).tolist():
        one = of[row]
        if place[row] - alert_at[one] > REFRACTORY or strength[row] > alert[one] + FEWER:
            alert_at[one], alert[one] = place[row], strength[row]
        else:
            scores[row] = min(scores[row], JUST_BELOW)
    return scores


def _places(of: Indices) -> Indices:
    """How many rows of its series are before each row."""
    order = np.argsort(of, kind="stable")
    begins = np.flatnonzero(np.diff(of[order], prepend=-1))
    places = np.empty(len(of), np.intp)
    places[order] = np.arange(len(of)) - np.repeat(begins, np.diff(begins, append=len(of)))
    return places


def _rounds(place: Indices) -> Iterator[Indices]:
    """The first rows of all series, then their second ones, …; series do not know of each other."""
    order = np.argsort(place, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(place[order])) + 1) if len(order) else ()


def _times(time_ns: Int64s, of: Indices) -> Iterator[Indices]:
    """Rows of one time that follow each other, each of another series."""
    begin, seen = 0, set[int]()
    for row, (time, one) in enumerate(zip(time_ns.tolist(), of.tolist(), strict=True)):
        if row > begin and (time != time_ns[begin] or one in seen):
            yield np.arange(begin, row)
            begin, seen = row, set[int]()
        seen.add(one)
    if len(of):
        yield np.arange(begin, len(of))
