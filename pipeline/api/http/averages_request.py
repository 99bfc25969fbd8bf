"""What a request for averages asks for, besides its zones and measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from pipeline.api.http.accepting import format_for
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.services import Services, services
from pipeline.api.http.times import duration_ns, time_ns
from store.reading.bins import DAY_NS, Bins
from store.values.durations import is_duration
from store.values.time_zones import zone_called
from store.values.times import rfc3339

AUTO = "auto"
# fmt: off
_AUTO_WIDTHS = (
    "1s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m",
    "1h", "2h", "3h", "6h", "12h", "1d", "1w", "4w", "13w", "52w", "520w",
)
# fmt: on
MAX_POINTS = 10_000
MAX_BINS = 100_000
MAX_PERCENTILES = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """The averages of values in [from, to).

    width        of bins, as text; None: one average
    percentiles  of the rows, as they were written, each with its number
    sensors      whether the spread over sensors is asked for
    form         one of `results.FORMATS`
    """

    now_ns: int
    from_ns: int
    to_ns: int
    bins: Bins | None
    width: str | None
    count: int
    table: str | None
    percentiles: dict[str, float]
    sensors: bool
    form: str


async def asked(
    request: Request,
    parts: Annotated[Services, Depends(services)],
    start: Annotated[
        str,
        Query(
            alias="from", description="RFC 3339, or how long ago, as in 1h; with bin the start of the bin of that time"
        ),
    ] = "1h",
    to: Annotated[str | None, Query(description="RFC 3339, or how long ago; now where absent")] = None,
    width: Annotated[
        str | None, Query(alias="bin", description="one average per so much time, as in 5m; auto: by `points`")
    ] = None,
    points: Annotated[
        int | None, Query(ge=1, le=MAX_POINTS, description="how many bins there are at most with bin=auto; 300")
    ] = None,
    tz: Annotated[
        str | None,
        Query(description="where bins of days and weeks begin at midnight, as Europe/Berlin; UTC where absent"),
    ] = None,
    table: Annotated[str | None, Query(description="database.table, where several tables have the zone")] = None,
    percentile: Annotated[
        list[str] | None, Query(description="also this percentile of the rows, as in 90; reads rows")
    ] = None,
    sensors: Annotated[bool, Query(description="also the spread over the zone's sensors; reads rows")] = False,
) -> Asked:
    """What is asked for, as a dependency of a route. Raises Problem."""
    now_ns = parts.clock_ns()
    from_ns = time_ns("from", start, now_ns)
    to_ns = now_ns if to is None else time_ns("to", to, now_ns)
    if points is not None and width != AUTO:
        raise bad_parameter("points", points, "it is for bin=auto")
    if width == AUTO:
        width = _auto(from_ns, to_ns, points or 300)
        tz = None if duration_ns("bin", width) % DAY_NS else tz
    bins = _bins(width, tz)
    if bins is not None and is_duration(start):
        from_ns = max(0, bins.start_ns(from_ns))  # the first bin is whole
    if from_ns >= to_ns:
        raise bad_parameter("from", start, f"it is not before to={rfc3339(to_ns)}")
    last_ns = min(to_ns, max(now_ns, from_ns) + DAY_NS)  # nothing is stored far ahead, and empty bins are left out
    count = 1 if bins is None else (last_ns - from_ns) // bins.width_ns
    if count > MAX_BINS:
        raise bad_parameter("bin", width, f"at most {MAX_BINS:,} bins between from and to")
    percentiles = _percentiles(percentile or [])
    return Asked(now_ns, from_ns, to_ns, bins, width, count, table, percentiles, sensors, format_for(request))


def _auto(from_ns: int, to_ns: int, points: int) -> str:
    """The least width of which `points` cover the time."""
    return next(
        (width for width in _AUTO_WIDTHS if (to_ns - from_ns) <= points * duration_ns("bin", width)), _AUTO_WIDTHS[-1]
    )


def _bins(width: str | None, tz: str | None) -> Bins | None:
    if width is None:
        if tz is not None:
            raise bad_parameter("tz", tz, "it says where bins of days and weeks begin: add bin=, as in 1d")
        return None
    width_ns = duration_ns("bin", width)
    if tz is None:
        return Bins(width_ns)
    if width_ns % DAY_NS:
        raise bad_parameter("tz", tz, f"it is for bins of whole days and weeks, as 1d and 1w; bin is {width}")
    try:
        return Bins(width_ns, zone_called(tz))
    except ValueError as error:
        raise bad_parameter("tz", tz, str(error)) from None


def _percentiles(given: list[str]) -> dict[str, float]:
    """The numbers by their texts. Raises Problem."""
    if len(given) > MAX_PERCENTILES:
        raise bad_parameter("percentile", f"{len(given)} of them", f"at most {MAX_PERCENTILES} in a request")
    found = {}
    for text in given:
        try:
            found[text] = float(text)
        except ValueError:
            found[text] = -1.0
        if not 0 <= found[text] <= 100:
            raise bad_parameter("percentile", text, "a number from 0 to 100, as in 90 or 99.9")
    return found
