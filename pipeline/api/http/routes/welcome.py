"""`GET /`: leads to the console, or is a page with words and links if no console answers."""

from __future__ import annotations

import html
import importlib.metadata
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.api.http.services import Services, services

router = APIRouter(tags=["operations"])

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Streamgauge</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }}
pre {{ background: #8882; padding: .7rem; overflow-x: auto; }}
:root {{ color-scheme: light dark; }}
</style>
<h1>Streamgauge {version}</h1>
<p>Receives the readings of devices over MQTT, checks them with rules, stores them, and answers queries here.</p>
<p>No console answers at the moment: <code>streamgauge up</code> starts one, unless <code>console.address</code> is
null, and so does <code>streamgauge console</code>.</p>
<ul>
<li><a href="/docs">/docs</a>: every path, to be tried on the page</li>
<li><a href="/v1/zones">/v1/zones</a>, <a href="/v1/alerts">/v1/alerts</a>, <a href="/v1/devices">/v1/devices</a>:
what there is (with a token, where tokens are configured)</li>
<li><a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a>, <a href="/metrics">/metrics</a>:
for supervisors and Prometheus</li>
</ul>
<p>A question in SQL, from a terminal:</p>
<pre>curl {url}/v1/query -d '{{"sql": "SHOW TABLES"}}'</pre>
<p>or <code>streamgauge query "SHOW TABLES" --endpoint {url}</code>. Clients written for Amazon Timestream take this
address as their endpoint.</p>
</html>
"""
_NOT_KEPT = {"cache-control": "no-store"}
_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", **_NOT_KEPT}


@router.get("/", summary="What this is, for a browser", response_class=HTMLResponse)
async def welcome(request: Request, parts: Annotated[Services, Depends(services)]) -> Response:
    """The console, or a page with links; the protocol of Timestream is POST at the same path."""
    console = parts.console
    if console is not None and await console.answers():
        return RedirectResponse(console.url_for(request.url.scheme, request.url.hostname or ""), 307, _NOT_KEPT)
    url = html.escape(str(request.base_url).rstrip("/"))
    return HTMLResponse(PAGE.format(version=importlib.metadata.version("streamgauge"), url=url), headers=_HEADERS)
