"""`/v1/zones/{zone}/averages` and `/v1/averages`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from pipeline.api.http import responses
from pipeline.api.http.openapi import answers
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from pipeline.api.http.times import duration_ns, time_ns
from pipeline.api.inventory.stores import by_table
from pipeline.base.time_zones import zone_called
from store.engine import interruption
from store.reading.averages import Average, zone_averages
from store.reading.bins import DAY_NS, Bins
from store.values.durations import is_duration
from store.values.times import rfc3339

router = APIRouter(prefix="/v1", tags=["averages"])

Parts = Annotated[Services, Depends(services)]
Asking = Annotated[Asker, Depends(asker)]
From = Annotated[
    str,
    Query(alias="from", description="RFC 3339, or how long ago, as in 1h; with bin the start of the bin of that time"),
]
To = Annotated[str | None, Query(description="RFC 3339, or how long ago; now where absent")]
Bin = Annotated[str | None, Query(alias="bin", description="one average per so much time, as in 5m")]
Tz = Annotated[
    str | None, Query(description="where bins of days and weeks begin at midnight, as Europe/Berlin; UTC where absent")
]
Table = Annotated[str | None, Query(description="database.table, where several tables have the zone")]

TIMEOUT_S = 30.0
MAX_BINS = 100_000
MAX_NAMES = 200  # zones, and measures, of one request
MAX_AVERAGES = 200_000  # of one response: about 20 MB


@router.get("/zones/{zone:path}/averages", summary="Averages of one zone", **answers(responses.Averages, 404, 409, 504))
async def averages_of_zone(
    parts: Parts,
    asker: Asking,
    zone: str,
    measure: str,
    start: From = "1h",
    to: To = None,
    width: Bin = None,
    tz: Tz = None,
    table: Table = None,
) -> Response:
    """The mean over all rows in [from, to), by bin if one is given. The zone's name may hold slashes."""
    return await _averages(parts, asker, [zone], [measure], (start, to, width, tz), table, lambda results: results[0])


@router.get(
    "/averages", summary="Averages of several zones and measures", **answers(responses.AveragesOfSeveral, 404, 409, 504)
)
async def averages(
    parts: Parts,
    asker: Asking,
    zone: Annotated[list[str], Query()],
    measure: Annotated[list[str], Query()],
    start: From = "1h",
    to: To = None,
    width: Bin = None,
    tz: Tz = None,
    table: Table = None,
) -> Response:
    """One result a zone and measure, in the order they were named first. At most 200 zones, and 200 measures."""
    zones, measures = _names("zone", zone), _names("measure", measure)
    times = (start, to, width, tz)
    return await _averages(parts, asker, zones, measures, times, table, lambda results: {"results": results})


async def _averages(
    parts: Services,
    asker: Asker,
    zones: list[str],
    measures: list[str],
    times: tuple[str, str | None, str | None, str | None],
    table: str | None,
    shape: Callable[[list[responses.Averages]], object],
) -> Response:
    start, to, width, tz = times
    now_ns = parts.clock_ns()
    from_ns = time_ns("from", start, now_ns)
    to_ns = now_ns if to is None else time_ns("to", to, now_ns)
    bins = _bins(width, tz)
    if bins is not None and is_duration(start):
        from_ns = max(0, bins.start_ns(from_ns))  # the first bin is whole
    if from_ns >= to_ns:
        raise bad_parameter("from", start, f"it is not before to={rfc3339(to_ns)}")
    last_ns = min(to_ns, max(now_ns, from_ns) + DAY_NS)  # nothing is stored far ahead, and empty bins are left out
    count = 1 if bins is None else (last_ns - from_ns) // bins.width_ns
    if count > MAX_BINS:
        raise bad_parameter("bin", width, f"at most {MAX_BINS:,} bins between from and to")
    if count * len(zones) * len(measures) > MAX_AVERAGES:
        asked = f"{len(zones)} zones, {len(measures)} measures and {count:,} bins"
        name, value = ("zone", f"{len(zones)} zones") if bins is None else ("bin", width)
        raise bad_parameter(name, value, f"at most {MAX_AVERAGES:,} averages in a response, and these are {asked}")

    def answer() -> bytes:
        members = {zone: parts.directory.members(asker.account, zone, table) for zone in zones}
        shaped: dict[tuple[str, str], responses.Averages] = {}
        with parts.store.snapshot(asker.account) as snapshot:
            for index, series in by_table(members):
                found = index.table
                units = snapshot.schema(found.database, found.table).settings.units
                rows_of = zone_averages(
                    snapshot,
                    index,
                    series,
                    measures,
                    from_ns=from_ns,
                    to_ns=to_ns,
                    bins=bins,
                    rollups=[of for of in parts.rollups if of.source == (found.database, found.table)],
                    now_ns=now_ns,
                )
                for (zone, measure), rows in rows_of.items():
                    interruption.check()
                    shaped[zone, measure] = {
                        "zone": zone,
                        "measure": measure,
                        "unit": units.get(measure),
                        "bin": width,
                        "averages": [_row(row, from_ns) for row in rows],
                    }
        return orjson.dumps(shape([shaped[zone, measure] for zone in zones for measure in measures]))

    text = f"averages of {', '.join(measures)} in {', '.join(zones)}"
    content = await parts.queries.run(asker, answer, timeout_s=TIMEOUT_S, text=text)
    return Response(content, media_type="application/json")


def _names(parameter: str, given: list[str]) -> list[str]:
    """The names, each once. Raises Problem if there are too many."""
    names = list(dict.fromkeys(given))
    if len(names) > MAX_NAMES:
        raise bad_parameter(parameter, f"{len(names)} names", f"at most {MAX_NAMES} in a request")
    return names


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


def _row(row: Average, from_ns: int) -> responses.Average:
    """Without bins, the time of the only average is `from`."""
    return {
        "time": rfc3339(from_ns if row.time_ns is None else row.time_ns),
        "average": row.average,
        "min": row.min,
        "max": row.max,
        "count": row.count,
    }
