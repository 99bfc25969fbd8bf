"""Charts of anomaly scores: the values with the alerts, and the scores with the bound of an alert."""

from __future__ import annotations

import numpy as np

from pipeline.operations.plots import Chart, Line
from pipeline.operations.scoring import Scored
from rules.detectors.files import ALERT
from rules.values.arrays import Float64s


def charts_of(scored: Scored, name: str) -> list[Chart]:
    """Two charts over the same times; `name` is that of the values. A series is a line."""
    alerts = scored.time_ns[scored.score >= ALERT].tolist()
    return [
        Chart(name, _lines(scored, scored.value), spans_ns=[(time_ns, time_ns) for time_ns in alerts]),
        Chart("anomaly score", _lines(scored, scored.score), bounds=(ALERT,)),
    ]


def _lines(scored: Scored, of_row: Float64s) -> list[Line]:
    codes = np.unique(scored.series)
    order = np.lexsort((scored.time_ns, scored.series))
    parts = np.split(order, np.searchsorted(scored.series[order], codes[1:]))
    return [
        Line(scored.labels[code], scored.time_ns[rows], of_row[rows])
        for code, rows in zip(codes.tolist(), parts, strict=False)  # a file without rows has one part, and no series
    ]
