"""`/healthz` and `/metrics` of any process.

`/healthz` is for everybody. `/metrics` names accounts and tables: where a process has tokens, it needs one of them.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from pipeline.api.http.openapi import answers
from pipeline.api.http.responses import Health
from pipeline.base.metrics_files import page_of

router = APIRouter(tags=["operations"])
scraping = APIRouter(tags=["operations"])  # includes what `router` does not


@router.get("/healthz", summary="Whether the process answers", **answers(Health))
async def healthz() -> Health:
    """Answers as long as the HTTP thread runs."""
    return {"status": "ok"}


@scraping.get(
    "/metrics",
    summary="Prometheus metrics of all processes on this data folder",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Text format"}},
)
def metrics() -> Response:
    """Text format 0.0.4."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    page = generate_latest(REGISTRY) if folder is None else page_of(Path(folder))
    return Response(page, media_type=CONTENT_TYPE_LATEST)
