"""`/healthz`, `/metrics`: of any process; they need no token and show nothing of the data."""

from __future__ import annotations

import os

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from pipeline.api.http.metrics_by_gateway import CollectorByGateway
from pipeline.api.http.openapi import answers
from pipeline.api.http.responses import Health

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Whether the process answers", **answers(Health))
async def healthz() -> Health:
    """Answers as long as the HTTP thread runs."""
    return {"status": "ok"}


@router.get(
    "/metrics",
    summary="Prometheus metrics of all processes on this data folder",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Text format"}},
)
def metrics() -> Response:
    """Text format 0.0.4."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        CollectorByGateway(registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
