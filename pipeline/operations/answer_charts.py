"""Charts of the answer to a query: one of each column of numbers, over its first column of times."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.errors import PlotFailed
from pipeline.operations.plots import Chart, Line
from rules.values.arrays import Float64s, Indices

MOST_CHARTS = 20


def charts_of(answer: pa.Table) -> list[Chart]:
    """The charts; rows with the same texts are a line. Raises PlotFailed if the answer cannot be drawn."""
    schema = list(answer.schema)
    time = next((place for place, field in enumerate(schema) if pa.types.is_timestamp(field.type)), None)
    numbers = [place for place, field in enumerate(schema) if _is_number(field.type)]
    if time is None or not numbers:
        columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise PlotFailed(f"a picture needs a column of times and one of numbers; the answer has {columns}")
    if len(numbers) > MOST_CHARTS:
        raise PlotFailed(f"the answer has {len(numbers)} columns of numbers; a picture has at most {MOST_CHARTS}")
    rows = answer.filter(pc.is_valid(answer.column(time)))
    time_ns = rows.column(time).cast(pa.timestamp("ns", rows.schema.field(time).type.tz)).cast(pa.int64()).to_numpy()
    by_label = _rows_by_label(rows, np.argsort(time_ns, kind="stable"))
    return [
        Chart(schema[place].name, [Line(label, time_ns[at], values[at]) for label, at in by_label.items()])
        for place in numbers
        for values in [_values(rows.column(place))]
    ]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _values(column: pa.ChunkedArray) -> Float64s:
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def _rows_by_label(rows: pa.Table, order: Indices) -> dict[str, Indices]:
    """The rows of each line, in this order."""
    texts = [column.to_pylist() for column in rows.columns if pa.types.is_string(column.type)]
    labels = [" ".join(map(str, row)) for row in zip(*texts, strict=True)] if texts else [""] * len(rows)
    found: dict[str, list[int]] = {}
    for row in order.tolist():
        found.setdefault(labels[row], []).append(row)
    return {label: np.array(found[label], np.intp) for label in sorted(found)}
