"""How the server is: its lag, its workers, its tables with their bytes and dimensions, and the queries that run."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipeline.base.metrics_text import CONNECTIONS, MESSAGES, REJECTED, sum_of
from pipeline.console.api import segment
from pipeline.console.site import Site, form_of, site_of

MOST_VALUES = 5  # of a dimension that are shown


async def _stream(site: Site, token: str | None) -> dict[str, float | None]:
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


async def system(request: Request) -> Response:
    """All of it."""
    site = site_of(request)
    visitor = await site.visitor(request)
    stream, ready, workers, tables, dimensions, queries = await asyncio.gather(
        _stream(site, visitor.token),
        site.shared.get(visitor.token, "/readyz", fresh_s=2),
        site.shared.get(visitor.token, "/v1/workers", fresh_s=5),
        site.shared.get(visitor.token, "/v1/tables", fresh_s=5),
        site.shared.get(visitor.token, "/v1/dimensions", (("top", str(MOST_VALUES)),), fresh_s=30),
        site.api.get(visitor.token, "/v1/queries"),
    )
    return site.page(
        "system.html",
        visitor,
        title="System",
        here="/system",
        stream=stream,
        ready=ready,
        workers=workers["workers"],
        unread=workers["partitions"] - sum(len(worker["partitions"]) for worker in workers["workers"]),
        tables=tables["tables"],
        dimensions=dimensions["dimensions"],
        queries=queries["queries"],
    )


async def findings(request: Request) -> Response:
    """What the doctor finds, what fails first: a part of the page, as it takes some seconds."""
    site = site_of(request)
    visitor = await site.visitor(request)
    found = (await site.api.get(visitor.token, "/v1/doctor"))["findings"]
    by_level = [[one for one in found if one["level"] == level] for level in ("fail", "warn", "ok")]
    return site.page("system_findings.html", visitor, wrong=by_level[0] + by_level[1], fine=by_level[2])


async def numbers(request: Request) -> Response:
    """The numbers at its top, as they are now."""
    site = site_of(request)
    visitor = await site.visitor(request)
    return site.page("system_numbers.html", visitor, stream=await _stream(site, visitor.token))


async def cancel(request: Request) -> Response:
    """Cancel a query."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    await site.api.post(visitor.token, f"/v1/queries/{segment(fields.get('id', ''))}/cancel", {})
    return RedirectResponse("/system", 303)


ROUTES = (
    Route("/system", system),
    Route("/system/findings", findings),
    Route("/system/numbers", numbers),
    Route("/system/cancel", cancel, methods=["POST"]),
)
