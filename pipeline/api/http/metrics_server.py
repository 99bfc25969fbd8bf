"""`/healthz` and `/metrics` at an address of their own, without tokens: for supervisors and scrapers.

At a loopback address they answer for names of this server only, as the API without tokens does. At another address for
any name: Prometheus asks by names of Compose services, pods and machines, which nothing here knows, and what it is
told changes nothing. Who reaches such an address is for the network to decide.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from pipeline.api.http.host_check import HostCheck
from pipeline.api.http.routes import process
from pipeline.api.http.server import HttpServer
from pipeline.base.ports import listen
from pipeline.base.quantities import Address
from pipeline.base.web_hosts import AnsweredHosts


def metrics_server(address: Address, own: AnsweredHosts, fail: Callable[[BaseException], None]) -> HttpServer:
    """The server, not started; several processes of a machine may share the address. Raises OSError if it is taken.

    `fail` is called, in the server's thread, if it ends by itself.
    """
    app = FastAPI(openapi_url=None, title="Streamgauge")
    app.include_router(process.router)
    app.include_router(process.scraping)
    if address.is_loopback:
        app.add_middleware(HostCheck, hosts=own, origins=())
    return HttpServer(app, listen(address.host, address.port), fail)
