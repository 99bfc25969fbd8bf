"""What messages would become: by the same normaliser and configuration as the stream's, and nothing is stored.

Each message is normalised by itself, over columns as they are at that moment and series of its own: so no message
changes what the next one becomes, and `limits.series` refuses none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.log.dead_letter import Reason
from pipeline.log.frame import FORMAT_VERSION, Frame, FrameKind
from pipeline.stream.normalise.alterations import Alteration
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route
from store.record import Dimensions, MeasureType, RecordBatch, SeriesRegistry, TableId

_PARTITION = "trial/readings/0"


@dataclass(frozen=True, slots=True)
class KnownColumns:
    """The measures of a table: their types, those of text that are still open, those whose type was asked for."""

    types: Mapping[str, MeasureType]
    open_texts: Sequence[str]
    asked: Sequence[str]


ColumnsOf = Callable[[TableId], KnownColumns]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A row that a message would become; `measures` are (value, type) by name."""

    table: TableId
    zone: str | None
    dimensions: Dimensions
    measure_name: str
    time_ns: int
    measures: Mapping[str, tuple[Any, MeasureType]]


@dataclass(frozen=True, slots=True)
class Understood:
    """What a message would become: rows, or why it cannot; and how its fields were altered, with their number."""

    rows: Sequence[TrialRow]
    reason: Reason | None
    detail: str | None
    altered: Sequence[tuple[str, Alteration, int]]


def understand(
    routes: Sequence[Route], columns_of: ColumnsOf, account: str, mqtt_topic: str, payload: bytes, arrival_ns: int
) -> Understood:
    """What the message would become, if it arrived at this time."""
    normaliser = Normaliser(
        routes,
        SeriesRegistry(),
        _PARTITION,
        lambda table: columns_of(table).types,
        lambda table: columns_of(table).open_texts,
        lambda table: columns_of(table).asked,
    )
    frame = Frame(FORMAT_VERSION, FrameKind.MQTT, [arrival_ns], [account], [mqtt_topic], [payload])
    found = normaliser.normalise(frame, 0)
    letter = found.dead_letters[0] if found.dead_letters else None
    return Understood(
        [row for batch in found.batches for row in _rows(batch)],
        None if letter is None else Reason(letter.reason),
        None if letter is None else letter.detail,
        [(name, kind, count) for (_, name, kind), count in found.altered.items()],
    )


def _rows(batch: RecordBatch) -> list[TrialRow]:
    columns = {name: values.to_pylist() for name, values in batch.measures.items()}
    return [
        TrialRow(
            batch.table,
            batch.index.zones[series],
            batch.index.keys[series].dimensions,
            batch.index.keys[series].measure_name,
            int(batch.time_ns[row]),
            {name: (of[row], batch.types[name]) for name, of in columns.items() if of[row] is not None},
        )
        for row, series in enumerate(batch.series.tolist())
    ]
