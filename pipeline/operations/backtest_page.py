"""The page of a backtest: for each of some alerts its series, the bounds and when it fired, as SVG in one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from rules.values.arrays import Float64s
from store.record import Int64s
from store.values.times import rfc3339

WIDTH, HEIGHT, MARGIN = 960, 180, 10
MOST_POINTS = 2_000

_STYLE = (
    "body{font:14px system-ui;margin:2em;max-width:1000px}svg{background:#f7f7f7;width:100%}"
    "polyline{fill:none;stroke:#2563eb;stroke-width:1.2}.bound{stroke:#b45309;stroke-dasharray:4 3}"
    ".alert{fill:#dc2626;opacity:.18}h2{font-size:1em;margin-bottom:.3em}"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """One series with its bounds, and the spans in which an alert of it fired."""

    title: str
    time_ns: Int64s
    value: Float64s
    bounds: Sequence[float]
    spans_ns: Sequence[tuple[int, int]]


def page(title: str, pictures: Sequence[Picture]) -> str:
    """The HTML of these pictures."""
    parts = "".join(f"<h2>{escape(picture.title)}</h2>{_svg(picture)}" for picture in pictures)
    head = f'<!doctype html><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f"{head}<h1>{escape(title)}</h1>{parts or '<p>No alert fired.</p>'}\n"


def _svg(picture: Picture) -> str:
    if not len(picture.value):
        return "<p>The series of this alert is none of the table.</p>"
    step = -(-len(picture.value) // MOST_POINTS)
    time_ns, value = picture.time_ns[::step], picture.value[::step]
    begin, end = int(picture.time_ns[0]), int(max(picture.time_ns[-1], picture.time_ns[0] + 1))
    low = float(min((picture.value.min(), *picture.bounds)))
    high = float(max((picture.value.max(), *picture.bounds)))
    span = (high - low) or 1.0

    def x(at_ns: Float64s | float) -> Float64s | float:
        return MARGIN + (at_ns - begin) / (end - begin) * (WIDTH - 2 * MARGIN)

    def y(at: Float64s | float) -> Float64s | float:
        return HEIGHT - MARGIN - (at - low) / span * (HEIGHT - 2 * MARGIN)

    points = " ".join(
        f"{at:.1f},{level:.1f}"
        for at, level in zip(x(time_ns.astype(np.float64)), y(value), strict=True)  # type: ignore[arg-type]  # arrays
    )
    alerts = "".join(
        f'<rect class="alert" x="{x(first):.1f}" y="0" width="{max(1.0, float(x(last) - x(first))):.1f}" '
        f'height="{HEIGHT}"/>'
        for first, last in picture.spans_ns
    )
    bounds = "".join(
        f'<line class="bound" x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y(bound):.1f}" y2="{y(bound):.1f}"/>'
        for bound in picture.bounds
    )
    told = f"<p>{rfc3339(begin)} to {rfc3339(end)}; {low:g} to {high:g}</p>"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}">{alerts}{bounds}<polyline points="{points}"/></svg>{told}'
