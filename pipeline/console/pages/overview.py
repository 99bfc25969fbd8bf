"""The overview: zones with their averages, alerts that fire, and how much arrives; live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.console.live_zones import LiveZones
from pipeline.console.measures import names_of
from pipeline.console.overview_state import Wanted, overview_of
from pipeline.console.site import Site, Visitor, site_of


async def overview(request: Request) -> Response:
    """The whole page."""
    site = site_of(request)
    visitor = await site.visitor(request)
    state = await _now(site, visitor, _wanted(request))
    return site.page("overview.html", visitor, title="Overview", here="/", **state)


async def zones(request: Request) -> Response:
    """The grid of zones, when others are in it than before."""
    site = site_of(request)
    visitor = await site.visitor(request)
    return site.page("overview_zones.html", visitor, **await _now(site, visitor, _wanted(request)))


async def live(request: Request) -> Response:
    """What changes on the page."""
    site = site_of(request)
    visitor, wanted = await site.visitor(request), _wanted(request)
    now = LiveZones(site.api, visitor.token, await _measure(site, visitor, wanted))

    async def render() -> Mapping[str, str]:
        await now.heard()
        return _parts(site, await overview_of(site, visitor.token, wanted, now))

    return site.live(request, visitor, ("overview", wanted), render, now)


def _wanted(request: Request) -> Wanted:
    """As the address of the page says."""
    return Wanted(request.query_params.get("measure") or None, request.query_params.get("q", "").strip())


async def _now(site: Site, visitor: Visitor, wanted: Wanted) -> dict[str, Any]:
    now = LiveZones(site.api, visitor.token, await _measure(site, visitor, wanted))
    await now.look()
    return await overview_of(site, visitor.token, wanted, now)


async def _measure(site: Site, visitor: Visitor, wanted: Wanted) -> str | None:
    """The measure that is shown; None: there is none yet, and whichever comes will be."""
    measures = names_of((await site.shared.get(visitor.token, "/v1/measures", fresh_s=10))["measures"])
    return wanted.measure if wanted.measure in measures else next(iter(measures), None)


def _parts(site: Site, state: Mapping[str, Any]) -> dict[str, str]:
    """What is sent to the browser, by the place where it belongs."""
    render = site.pages.render
    parts = {
        "numbers": render("overview_numbers.html", **state),
        "alerts": render("overview_alerts.html", **state),
        "structure": " ".join(zone["key"] for zone in state["zones"]),
    }
    for zone in state["zones"]:
        parts[f"v-{zone['key']}"] = render("overview_value.html", zone=zone, unit_name=state["unit_name"])
        parts[f"s-{zone['key']}"] = render("overview_line.html", zone=zone)
    return parts


ROUTES = (
    Route("/", overview),
    Route("/overview/zones", zones),
    Route("/overview/live", live),
)
