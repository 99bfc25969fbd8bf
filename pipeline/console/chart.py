"""What a chart shows, as static/charts.js draws it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any


def chart(
    times: Sequence[str],
    lines: Sequence[Mapping[str, Any]],
    *,
    unit: str = "",
    band: tuple[int, int] | None = None,
    bounds: Mapping[str, float] | None = None,
    marks: Iterable[Mapping[str, Any]] = (),
    span: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Lines over times (RFC 3339), each `label`, `values`, and `faint` if it only limits the band.

    band    the numbers of the lower and the upper line of a band
    bounds  drawn as dashed lines
    marks   spans of time: `kind` (alert, silence), `from` and `to` in seconds; `to` None: until the end
    span    what the axis of time shows, in seconds; None: from the first value to the last
    """
    return {
        "times": [seconds(time) for time in times],
        "lines": list(lines),
        "unit": unit,
        "band": band,
        "bounds": dict(bounds or {}),
        "marks": list(marks),
        "range": span,
    }


def seconds(time: str) -> float:
    """Seconds since 1970 of a time of the API."""
    return datetime.fromisoformat(time).timestamp()
