"""`GET /`: a page with words and links for browsers, without scripts."""

from __future__ import annotations

import html
import importlib.metadata

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

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
_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "cache-control": "no-cache"}


@router.get("/", summary="What this is, for a browser", response_class=HTMLResponse)
async def welcome(request: Request) -> HTMLResponse:
    """A page with links; the protocol of Timestream is POST at the same path."""
    url = html.escape(str(request.base_url).rstrip("/"))
    return HTMLResponse(PAGE.format(version=importlib.metadata.version("streamgauge"), url=url), headers=_HEADERS)
