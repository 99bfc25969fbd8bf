"""A zone: each measure over time as average and band, the alerts drawn in, and its sensors with their last values."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.console.api import ApiRefused, Parameters
from pipeline.console.chart import chart, seconds
from pipeline.console.measures import NUMBERS
from pipeline.console.outliers import outliers
from pipeline.console.rendering import unit
from pipeline.console.site import Site, Visitor, site_of

MOST_CHARTS = 12
MOST_SENSORS = 100
MOST_OUTLIERS = 5  # of a measure
LAST = "15m"  # older values of sensors are compared with none
POINTS = 150  # of a line at most; the server chooses the width of bins
SPANS: Mapping[str, tuple[str, int]] = {  # what is asked for: its name, its seconds
    "15m": ("15 minutes", 900),
    "1h": ("Hour", 3_600),
    "6h": ("6 hours", 21_600),
    "1d": ("Day", 86_400),
    "7d": ("Week", 604_800),
    "30d": ("Month", 2_592_000),
    "365d": ("Year", 31_536_000),
}


async def zone(request: Request) -> Response:
    """The whole page."""
    site = site_of(request)
    visitor = await site.visitor(request)
    name, table, span = _wanted(request)
    state, sensors = await asyncio.gather(
        _charts(site, visitor, name, table, span), _sensors(site, visitor, name, table)
    )
    return site.page("zone.html", visitor, title=name, here="/", sensors=sensors, **state)


async def charts(request: Request) -> Response:
    """The charts, again."""
    site = site_of(request)
    visitor = await site.visitor(request)
    return site.page("zone_charts.html", visitor, **await _charts(site, visitor, *_wanted(request)))


def _wanted(request: Request) -> tuple[str, str, str]:
    query = request.query_params
    span = query.get("span", "1h")
    if span not in SPANS:
        raise ApiRefused(400, {"detail": f"span={span} is not possible: one of {', '.join(SPANS)}"})
    return query.get("zone", ""), query.get("table", ""), span


async def _charts(site: Site, visitor: Visitor, name: str, table: str, span: str) -> dict[str, Any]:
    _, span_s = SPANS[span]
    measures = await site.shared.get(visitor.token, "/v1/measures", (("table", table),), fresh_s=10)
    units = {one["measure"]: one["unit"] for one in measures["measures"] if one["type"] in NUMBERS}
    shown = list(units)[:MOST_CHARTS]
    averages, alerts, unlike = await asyncio.gather(
        site.shared.get(
            visitor.token,
            "/v1/averages",
            (
                *(("zone", name), ("table", table), ("from", span), ("bin", "auto"), ("points", str(POINTS))),
                *(("measure", measure) for measure in shown),
            ),
            fresh_s=5,
        ),
        site.shared.get(visitor.token, "/v1/alerts", (("zone", name), ("table", table), ("from", span)), fresh_s=2),
        _unlike(site, visitor, (("zone", name), ("table", table)), shown),
    )
    now_s = time.time()
    return {
        "zone": name,
        "table": table,
        "span": span,
        "spans": SPANS,
        "width": next((result["bin"] for result in averages["results"]), None),
        "left_out": len(units) - len(shown),
        "alerts": alerts["alerts"],
        "pictures": [
            _picture(result, alerts["alerts"], (now_s - span_s, now_s)) | {"unlike": unlike.get(result["measure"])}
            for result in averages["results"]
            if result["averages"]
        ],
    }


def _picture(
    result: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]], span: tuple[float, float]
) -> dict[str, Any]:
    bins, measure = result["averages"], result["measure"]
    lines: list[Mapping[str, Any]] = [
        {"label": "average", "values": [one["average"] for one in bins]},
        {"label": "lowest", "values": [one["min"] for one in bins], "faint": True},
        {"label": "highest", "values": [one["max"] for one in bins], "faint": True},
    ]
    marks = [
        {
            "kind": "silence" if alert["muted"] else "alert",
            "from": seconds(alert["since"]),
            "to": None if alert["status"] == "firing" else seconds(alert["updated"]),
        }
        for alert in alerts
        if alert["measure"] == measure
    ]
    drawn = chart([one["time"] for one in bins], lines, unit=unit(result["unit"]), band=(1, 2), marks=marks, span=span)
    return {"measure": measure, "unit": result["unit"], "bins": bins, "chart": drawn, "alerts": len(marks)}


async def _unlike(
    site: Site, visitor: Visitor, zone: Parameters, measures: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """By measure the sensors whose last value is unlike the others', and the median of all."""
    parameters = (*zone, ("from", LAST), *(("measure", measure) for measure in measures))
    found = await site.shared.get(visitor.token, "/v1/latest", parameters, fresh_s=5)
    by_measure: dict[str, list[Mapping[str, Any]]] = {}
    for one in found["latest"]:
        if one["value"] is not None:  # what is not finite
            by_measure.setdefault(one["measure"], []).append(one)
    unlike = {measure: (of, outliers([one["value"] for one in of])) for measure, of in by_measure.items()}
    return {
        measure: {"median": far.median, "sensors": [of[place] for place in far.places[:MOST_OUTLIERS]]}
        for measure, (of, far) in unlike.items()
    }


async def _sensors(site: Site, visitor: Visitor, name: str, table: str) -> Mapping[str, Any]:
    parameters = (("zone", name), ("table", table), ("limit", str(MOST_SENSORS)))
    found: Mapping[str, Any] = await site.shared.get(visitor.token, "/v1/series", parameters, fresh_s=2)
    return found


ROUTES = (Route("/zone", zone), Route("/zone/charts", charts))
