"""The anomaly scores of a file, for `streamgauge detect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.operations.history import FileHistory, NoHistory
from rules.detectors.files import ALERT, anomaly_scores
from rules.kinds.detector import NOT_NUMBERS
from rules.replaying.backtest import times_of
from rules.values.arrays import Float64s, Indices
from store.record import Int64s


class CannotBeScored(ValueError):  # named after what went wrong
    """The file cannot be scored; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The rows of a file in its order. `value` is NaN where it is empty; scores are in [0, 1).

    `series` is a small integer for each row, equal in rows of one series; `labels` has the text of each.
    """

    time_ns: Int64s
    value: Float64s
    score: Float64s
    series: Indices
    labels: Mapping[int, str]

    @property
    def alerts(self) -> int:
        """How many rows are alerts."""
        return int(np.count_nonzero(self.score >= ALERT))


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of those that are read. by: rows that differ in them are of different series."""

    time: str
    value: str
    by: Sequence[str] = ()
    peers: str | None = None


def scored(path: Path, columns: Columns, *, probation: float, time_zone: str, counter: bool) -> Scored:
    """The score of each row of a CSV or Parquet file, as of `anomaly_scores`. Raises CannotBeScored."""
    history = FileHistory(path, columns.time, columns.by, columns.peers, None, None)
    try:
        measures = history.layout().measures
        table = pa.concat_tables(history.pieces())
    except NoHistory as error:
        raise CannotBeScored(str(error)) from error
    if columns.value not in measures:
        raise CannotBeScored(f"{path} has no column {columns.value} of values; it has {', '.join(measures)}")
    values = _numbers(table[columns.value], f"column {columns.value} of {path}")
    time_ns, series = times_of(table[columns.time]), _codes(table, columns.by)
    peers = None if columns.peers is None else _codes(table, (columns.peers,))
    try:
        scores = anomaly_scores(
            time_ns, values, series=series, peers=peers, probation=probation, time_zone=time_zone, counter=counter
        )
    except ValueError as error:
        raise CannotBeScored(str(error)) from error
    return Scored(time_ns, values, scores, series, _labels(table, columns.by, series))


def _numbers(column: pa.ChunkedArray, what: str) -> Float64s:
    if pa.types.is_boolean(column.type):
        raise CannotBeScored(f"{what} must hold numbers, is bool: {NOT_NUMBERS} of a rule")
    try:
        numbers = pc.fill_null(pc.cast(column, pa.float64()), np.nan)
    except pa.ArrowException as error:
        raise CannotBeScored(f"{what} must hold numbers, is {column.type}: {error}; {NOT_NUMBERS} of a rule") from error
    return np.asarray(numbers, np.float64)


def _codes(table: pa.Table, columns: Sequence[str]) -> Indices:
    """A small integer for each row, equal where these columns are."""
    codes = np.zeros(len(table), np.intp)
    for name in columns:
        encoded = pc.dictionary_encode(table[name], null_encoding="encode").combine_chunks()
        of = np.asarray(encoded.indices, np.intp)
        _, codes = np.unique(codes * (int(of.max(initial=0)) + 1) + of, return_inverse=True)
    return codes


def _labels(table: pa.Table, columns: Sequence[str], series: Indices) -> dict[int, str]:
    codes, rows = np.unique(series, return_index=True)
    return {
        code: " ".join(str(table[name][row]) for name in columns)
        for code, row in zip(codes.tolist(), rows.tolist(), strict=True)
    }
