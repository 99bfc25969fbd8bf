"""Rows of one table for one batch: pieces of columns or of single readings, merged in log order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipeline.stream.normalise.body import Scalar
from pipeline.stream.normalise.call import Call
from store.record import Int64s, MeasureType, RecordBatch, SeriesIndex


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table: `rows` are the numbers of their messages, ascending."""

    rows: Int64s
    series: Int64s
    time_ns: Int64s
    measures: Mapping[str, pa.Array]


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
        names = dict.fromkeys(name for measures in self.measures for name in measures)
        return Piece(
            np.array(self.rows, np.int64),
            np.array(self.series, np.int64),
            np.array(self.time_ns, np.int64),
            {name: pa.array([row.get(name) for row in self.measures], types[name].arrow) for name in names},
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
    piece = pieces[0] if len(pieces) == 1 else _merged(pieces, types)
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


def _merged(pieces: list[Piece], types: Mapping[str, MeasureType]) -> Piece:
    rows = np.concatenate([piece.rows for piece in pieces])
    order = np.argsort(rows, kind="stable")  # stable: the readings of one message keep their order
    indices = pa.array(order)
    names = dict.fromkeys(name for piece in pieces for name in piece.measures)
    return Piece(
        rows[order],
        np.concatenate([piece.series for piece in pieces])[order],
        np.concatenate([piece.time_ns for piece in pieces])[order],
        {
            name: pa.concat_arrays([_column(piece, name, types[name]) for piece in pieces]).take(indices)
            for name in names
        },
    )


def _column(piece: Piece, name: str, measure_type: MeasureType) -> pa.Array:
    column = piece.measures.get(name)
    return pa.nulls(len(piece.rows), measure_type.arrow) if column is None else column
