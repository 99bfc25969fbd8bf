"""Rows of one table and call, collected in pieces, and the record batch that they become.

Messages have different fields, so a piece has values for some of its rows only, and a batch for some of its pieces: the
columns are filled with nulls once, at the end. So the cost grows with the values and the columns, whatever the pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.stream.normalise.body import Scalar
from pipeline.stream.normalise.call import Call
from store.record import Int64s, MeasureType, RecordBatch, SeriesIndex


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table: `rows` are the numbers of their messages, ascending.

    measures  values by name, of all rows, or of those whose indices in the piece are in `at`
    """

    rows: Int64s
    series: Int64s
    time_ns: Int64s
    measures: Mapping[str, pa.Array]
    at: Mapping[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class SingleRows:
    """Rows that were read one by one."""

    rows: list[int] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    time_ns: list[int] = field(default_factory=list)
    measures: list[dict[str, Scalar]] = field(default_factory=list)

    def add(self, row: int, series: int, time_ns: int, measures: dict[str, Scalar]) -> None:
        """Add a row; rows are added in ascending order."""
        self.rows.append(row)
        self.series.append(series)
        self.time_ns.append(time_ns)
        self.measures.append(measures)

    def piece(self, types: Mapping[str, MeasureType]) -> Piece:
        """These rows (n ≥ 1) as columns."""
        at: dict[str, list[int]] = {}
        values: dict[str, list[Scalar]] = {}
        for index, measures in enumerate(self.measures):
            for name, value in measures.items():
                if name in at:
                    at[name].append(index)
                    values[name].append(value)
                else:
                    at[name], values[name] = [index], [value]
        return Piece(
            np.array(self.rows, np.int64),
            np.array(self.series, np.int64),
            np.array(self.time_ns, np.int64),
            {name: pa.array(of, types[name].arrow) for name, of in values.items()},
            at,
        )


def batch_of(
    pieces: list[Piece],
    index: SeriesIndex,
    types: Mapping[str, MeasureType],
    partition: str,
    call: Call,
    *,
    again: bool,
) -> RecordBatch:
    """The batch of these pieces (n ≥ 1), in order of their messages."""
    piece = pieces[0] if len(pieces) == 1 and not pieces[0].at else _merged(pieces)
    return RecordBatch(
        index=index,
        partition=partition,
        series=piece.series.astype(np.int32),
        time_ns=piece.time_ns,
        version=np.ones(len(piece.rows), np.int64),
        offset=call.offsets[piece.rows],
        arrival_ns=call.arrivals[piece.rows],
        measures=piece.measures,
        types={name: types[name] for name in piece.measures},
        again=again,
    )


def _merged(pieces: list[Piece]) -> Piece:
    rows = np.concatenate([piece.rows for piece in pieces])
    order = np.argsort(rows, kind="stable")  # stable: the readings of one message keep their order
    values: dict[str, list[pa.Array]] = {}
    places: dict[str, list[Any]] = {}  # of the values among all rows, as they are in `pieces`
    start = 0
    for piece in pieces:
        every = np.arange(start, start + len(piece.rows))
        for name, column in piece.measures.items():
            at = piece.at.get(name)
            values.setdefault(name, []).append(column)
            places.setdefault(name, []).append(every if at is None else every[at])
        start += len(piece.rows)
    return Piece(
        rows[order],
        np.concatenate([piece.series for piece in pieces])[order],
        np.concatenate([piece.time_ns for piece in pieces])[order],
        {name: _column(values[name], np.concatenate(places[name]), order) for name in values},
    )


def _column(parts: list[pa.Array], places: Int64s, order: Int64s) -> pa.Array:
    """The column of all rows, in `order`, with the values of `parts` at these places."""
    values = pa.concat_arrays(parts) if len(parts) > 1 else parts[0]
    place = np.full(len(order), -1, np.int64)
    place[places] = np.arange(len(places))
    index = place[order]
    return values.take(pa.array(index, mask=index < 0) if len(places) < len(order) else pa.array(index))
