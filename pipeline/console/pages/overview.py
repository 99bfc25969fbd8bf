"""The overview: zones with their averages, alerts that fire, and how the stream is doing; live."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.base.metrics_text import CONNECTIONS, MESSAGES, REJECTED, sum_of
from pipeline.console.site import Site, Visitor, site_of

MOST_ZONES = 60  # shown at once; the others are found by their name
MOST_ALERTS = 20
SILENT_S = 600.0
BIN_S = 30
NUMBERS = {"double", "bigint"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the overview is shown."""

    measure: str | None
    text: str  # in the names of zones

    @classmethod
    def of(cls, request: Request) -> Wanted:
        """As the address of the page says."""
        return cls(request.query_params.get("measure") or None, request.query_params.get("q", "").strip())


async def overview(request: Request) -> Response:
    """The whole page."""
    site = site_of(request)
    visitor = await site.visitor(request)
    state = await state_of(site, visitor, Wanted.of(request))
    return site.page("overview.html", visitor, title="Overview", here="/", **state)


async def zones(request: Request) -> Response:
    """The grid of zones, when others are in it than before."""
    site = site_of(request)
    visitor = await site.visitor(request)
    return site.page("overview_zones.html", visitor, **await state_of(site, visitor, Wanted.of(request)))


async def live(request: Request) -> Response:
    """What changes on the page."""
    site = site_of(request)
    visitor, wanted = await site.visitor(request), Wanted.of(request)

    async def render() -> Mapping[str, str]:
        state = await state_of(site, visitor, wanted)
        parts = {
            "numbers": site.pages.render("overview_numbers.html", **state),
            "alerts": site.pages.render("overview_alerts.html", **state),
            "structure": " ".join(zone["key"] for zone in state["zones"]),
        }
        for zone in state["zones"]:
            parts[f"v-{zone['key']}"] = site.pages.render(
                "overview_value.html", zone=zone, unit_name=state["unit_name"]
            )
            parts[f"s-{zone['key']}"] = site.pages.render("overview_line.html", zone=zone)
        return parts

    return site.live(request, visitor, ("overview", wanted), render)


async def state_of(site: Site, visitor: Visitor, wanted: Wanted) -> dict[str, Any]:
    """Everything that the templates of this page show."""
    token, shared = visitor.token, site.shared
    listed, measured, firing, stream = await asyncio.gather(
        shared.get(token, "/v1/zones", fresh_s=2),
        shared.get(token, "/v1/measures", fresh_s=10),
        shared.get(token, "/v1/alerts", (("status", "firing"), ("limit", "1000"))),
        numbers(site, token),
    )
    measures = names_of(measured["measures"])
    measure = wanted.measure if wanted.measure in measures else next(iter(measures), None)
    alerts_of = _by_zone(firing["alerts"])
    found = [zone for zone in listed["zones"] if wanted.text.lower() in zone["zone"].lower()]
    found.sort(key=lambda zone: (_place(zone) not in alerts_of, zone["zone"], zone["table"]))
    shown = found[:MOST_ZONES]
    averages = await _averages(site, token, shown, measure, measured["measures"])
    return {
        "zones": [_zone(zone, averages.get(_place(zone), []), alerts_of.get(_place(zone), 0)) for zone in shown],
        "found": len(found),
        "all_zones": len(listed["zones"]),
        "measures": measures,
        "measure": measure,
        "unit_name": measures.get(measure or ""),
        "text": wanted.text,
        "firing": firing["alerts"][:MOST_ALERTS],
        "all_firing": len(firing["alerts"]),
        "more_firing": firing["next"] is not None,
        "stream": stream,
    }


async def numbers(site: Site, token: str | None) -> dict[str, float]:
    """How the stream is doing: of the whole server, all accounts together."""
    ready, metrics = await asyncio.gather(
        site.shared.get(token, "/readyz", fresh_s=2),
        site.shared.get(token, "/metrics", fresh_s=5, text=True),
    )
    return {
        "rate": site.rate.of(sum_of(metrics, MESSAGES), time.monotonic()),
        "lag_s": ready["lag_seconds"],
        "rejected": sum_of(metrics, REJECTED),
        "connections": sum_of(metrics, CONNECTIONS),
    }


def names_of(measures: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """The measures that are numbers with their unit, those with a unit first."""
    found = {entry["measure"]: entry["unit"] for entry in measures if entry["type"] in NUMBERS}
    return dict(sorted(found.items(), key=lambda item: (item[1] is None, item[0])))


async def _averages(
    site: Site,
    token: str | None,
    zones: Sequence[Mapping[str, Any]],
    measure: str | None,
    measures: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """The averages of the last minutes of zones, by table and zone; of those tables that have the measure."""
    having = {entry["table"] for entry in measures if entry["measure"] == measure}
    by_table: dict[str, list[str]] = {}
    for zone in zones:
        if zone["table"] in having:
            by_table.setdefault(zone["table"], []).append(zone["zone"])
    answers = await asyncio.gather(
        *(
            site.shared.get(
                token,
                "/v1/averages",
                (
                    *(("zone", name) for name in names),
                    *(("measure", str(measure)), ("table", table), ("from", "15m"), ("bin", f"{BIN_S}s")),
                ),
            )
            for table, names in by_table.items()
        )
    )
    return {
        (table, result["zone"]): result["averages"]
        for table, answer in zip(by_table, answers, strict=True)
        for result in answer["results"]
    }


def _place(of: Mapping[str, Any]) -> tuple[str, str]:
    return of["table"], of["zone"]


def _by_zone(alerts: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for alert in alerts:
        counts[_place(alert)] = counts.get(_place(alert), 0) + 1
    return counts


def _zone(zone: Mapping[str, Any], averages: Sequence[Mapping[str, Any]], alerts: int) -> dict[str, Any]:
    """A zone as its card shows it. The line ends before the newest bin, which still changes."""
    silent_s = (datetime.now(UTC) - datetime.fromisoformat(zone["last_time"])).total_seconds()
    return {
        "key": f"{zlib.crc32(repr(_place(zone)).encode()):08x}",
        "name": zone["zone"],
        "table": zone["table"],
        "sensors": zone["sensors"],
        "last_time": zone["last_time"],
        "value": averages[-1]["average"] if averages else None,
        "line": [bin_["average"] for bin_ in averages[:-1]],
        "alerts": alerts,
        "is_silent": silent_s > SILENT_S,
    }


ROUTES = (
    Route("/", overview),
    Route("/overview/zones", zones),
    Route("/overview/live", live),
)
