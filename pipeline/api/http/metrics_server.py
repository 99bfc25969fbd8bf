"""`/healthz` and `/metrics` at an address of their own, without tokens: for supervisors and scrapers."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from pipeline.api.http.routes import process
from pipeline.api.http.server import HttpServer
from pipeline.base.ports import listen
from pipeline.base.quantities import Address


def metrics_server(address: Address, fail: Callable[[BaseException], None]) -> HttpServer:
    """The server, not started; several processes of a machine may share the address. Raises OSError if it is taken.

    `fail` is called, in the server's thread, if it ends by itself.
    """
    app = FastAPI(openapi_url=None, title="Streamgauge")
    app.include_router(process.router)
    app.include_router(process.scraping)
    return HttpServer(app, listen(address.host, address.port), fail)
