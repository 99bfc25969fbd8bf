"""The FastAPI application: created by a call, with its services as an argument; nothing happens at import."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from pipeline.api.http import problems
from pipeline.api.http.etags import ETags
from pipeline.api.http.forwarding import ToOwner
from pipeline.api.http.host_check import HostCheck
from pipeline.api.http.openapi import EVERYWHERE, describe, refusals
from pipeline.api.http.parameters import CheckParameters
from pipeline.api.http.replaying import UntilReplayed
from pipeline.api.http.request_metrics import RequestMetrics
from pipeline.api.http.request_normalising import RequestNormaliser
from pipeline.api.http.routes import (
    alert_life,
    alert_stream,
    alerts,
    averages,
    dead_letters,
    deletes,
    detectors,
    devices,
    dimensions,
    doctor,
    explain,
    feedback,
    functions,
    imports,
    internal,
    latest,
    live,
    me,
    measures,
    messages,
    parse,
    process,
    queries,
    query,
    ready,
    rules,
    series,
    silences,
    tables,
    timestream,
    usage,
    welcome,
    workers,
    zones,
)
from pipeline.api.http.services import Services, who
from pipeline.api.http.slots import HungUp
from pipeline.base.errors import NotOwned

DESCRIPTION = """Zone averages, alerts, devices and SQL over what devices sent.

Times are RFC 3339 (`2026-11-23T10:00:00Z`) or relative (`1h`: an hour ago). Errors are RFC 9457 problem documents.
A method that a path does not have is a 405 with `Allow`, a path that there is not a 404. Without tokens a name in
`Host` that is not one of the server's is a 421, and a page of another site that changes something a 403.
`POST /` speaks Amazon Timestream's wire protocol.
"""


HUNG_UP = 499  # nginx' status for it: only counted, as the client is gone


OF_BROWSERS: dict[str, Any] = {  # what pages of the allowed origins may send, and see
    "allow_methods": ["GET", "HEAD", "POST"],
    "allow_headers": ["authorization", "content-type", "if-none-match", "last-event-id"],
    "expose_headers": ["etag", "retry-after", "streamgauge-truncated", "streamgauge-scanned-bytes"],
}


async def _nobody(_: Request, __: Exception) -> Response:
    return Response(status_code=HUNG_UP)


def create_app(services: Services) -> FastAPI:
    """The application over `services`. Starting it starts the appender; stopping it stops appender and queries."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts: Services = app.state.services
        await parts.appender.start()
        working = asyncio.create_task(parts.endpoint.work(parts.buckets, parts.worker, timestream.runner_of(parts)))
        try:
            yield
        finally:
            working.cancel()
            await asyncio.wait([working])
            parts.queries.close()
            parts.lists.close()
            parts.executor.close()
            await parts.appender.stop()
            # FastAPI keeps references to what it called while the process lives: they must not include the store.
            del app.state.services

    app: FastAPI = FastAPIOffline(
        redoc_url=None,
        title="Streamgauge",
        version=importlib.metadata.version("streamgauge"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    problems.install(app)
    app.add_middleware(UntilReplayed)
    app.add_middleware(ToOwner)
    app.add_middleware(ETags)
    app.add_exception_handler(HungUp, _nobody)
    app.add_exception_handler(internal.Refused, internal.refused)  # type: ignore[arg-type]  # starlette: Exception
    app.add_exception_handler(NotOwned, internal.not_owned)  # type: ignore[arg-type]  # as above
    if services.internal is not None:
        app.include_router(internal.router)
    app.add_middleware(RequestNormaliser)
    if services.origins:
        app.add_middleware(CORSMiddleware, allow_origins=services.origins, **OF_BROWSERS)
    if services.hosts is not None:
        app.add_middleware(HostCheck, hosts=services.hosts, origins=services.origins)
    app.add_middleware(RequestMetrics)
    check = CheckParameters()
    for module in (  # those that are asked most come first: each is tried in this order
        query,
        timestream,
        averages,
        zones,
        tables,
        alerts,
        alert_stream,  # before /v1/alerts/{alert_id}
        alert_life,
        explain,
        feedback,
        detectors,
        silences,
        rules,
        devices,
        latest,
        live,
        measures,
        functions,
        series,
        dimensions,
        parse,
        messages,
        me,
        dead_letters,
        deletes,
        imports,
        queries,
        usage,
        workers,
        doctor,
        process,
        ready,
        welcome,
    ):
        is_question = bool(module.router.prefix)
        app.include_router(
            module.router,
            dependencies=[Depends(check)] if is_question else [],
            responses=refusals(*EVERYWHERE) if is_question else None,
        )
    app.include_router(process.scraping, dependencies=[Depends(who)], responses=refusals(401))
    describe(app)
    return app
