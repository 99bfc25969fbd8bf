"""Devices: found by any of their words, with when they were heard last and their last values; and who is rejected."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.console.site import site_of

PAGE = 50


async def devices(request: Request) -> Response:
    """A page of those that match."""
    site = site_of(request)
    visitor = await site.visitor(request)
    text, after = request.query_params.get("q", "").strip(), request.query_params.get("after")
    parameters = (("q", text), ("limit", str(PAGE)), *((("after", after),) if after else ()))
    found, rejected = await asyncio.gather(
        site.shared.get(visitor.token, "/v1/series", parameters),
        site.shared.get(visitor.token, "/v1/devices", (("limit", str(PAGE)),), fresh_s=5),
    )
    return site.page(
        "devices.html",
        visitor,
        title="Devices",
        here="/devices",
        text=text,
        series=found["series"],
        matched=found["matched"],
        next=found["next"],
        rejected=rejected["rejected"],
        altered=rejected["altered"],
    )


ROUTES = (Route("/devices", devices),)
