"""Pictures of series in a file, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.base.errors import PlotFailed
from rules.values.arrays import Float64s
from store.record import Int64s

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN, DPI = 10.0, 2.8, 120
MOST_LINES = 30  # of one chart; more cannot be told from each other
MOST_LABELS = 12
_BOUND, _SPAN = "#b45309", "#dc2626"
_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # a $ in a name is a $
    "date.converter": "concise",
    "agg.path.chunksize": 10_000,  # a longer line may be too much for the renderer
}


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One series: times ascending, in nanoseconds since 1970; NaN is a gap."""

    label: str
    time_ns: Int64s
    value: Float64s


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Lines over one axis of times; bounds are drawn across, and spans (first and last nanosecond) behind them."""

    title: str
    lines: Sequence[Line]
    bounds: Sequence[float] = ()
    spans_ns: Sequence[tuple[int, int]] = ()


def save(path: Path, charts: Sequence[Chart]) -> None:
    """Draw the charts, one or more, below each other into the file at `path`. Raises PlotFailed."""
    from matplotlib import rc_context  # noqa: PLC0415  # its import takes seconds
    from matplotlib.figure import Figure as Sheet  # noqa: PLC0415  # as above

    with rc_context(_SETTINGS):
        sheet = Sheet(figsize=(WIDTH_IN, HEIGHT_IN * len(charts)), dpi=DPI, layout="constrained")
        for axes, chart in zip(sheet.subplots(len(charts), squeeze=False)[:, 0], charts, strict=True):
            _draw(axes, chart)
        try:
            sheet.savefig(path)
        except OSError as error:
            raise PlotFailed(f"{path} cannot be written: {error.strerror or error}") from error


def _draw(axes: Axes, chart: Chart) -> None:
    shown = chart.lines[:MOST_LINES]
    drawn = [
        axes.plot(_moments(line.time_ns), line.value, linewidth=1, marker="." if len(line.value) == 1 else "")[0]
        for line in shown
    ]
    for bound in chart.bounds:
        axes.axhline(bound, color=_BOUND, linestyle="--", linewidth=1)
    for first_ns, last_ns in chart.spans_ns:
        axes.axvspan(*_moments(np.array([first_ns, last_ns])), color=_SPAN, alpha=0.18)
    more = len(chart.lines) - len(shown)
    axes.set_title(f"{chart.title} (and {more} more series)" if more else chart.title, loc="left", fontsize=10)
    axes.set_xlabel("UTC", fontsize=8)
    axes.grid(visible=True, alpha=0.3)
    if 1 < len(chart.lines) <= MOST_LABELS:
        axes.legend(drawn, [line.label for line in shown], fontsize=7, loc="upper left")


def _moments(time_ns: Int64s) -> Any:
    return time_ns.astype("datetime64[ns]").astype("datetime64[us]")  # matplotlib counts in microseconds
