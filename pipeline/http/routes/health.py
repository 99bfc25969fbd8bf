"""`/healthz`, `/readyz`, `/metrics`: for supervisors and scrapers; they ask for no token, tell nothing of the data."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from pipeline.http.gateways import CollectorByGateway
from pipeline.http.services import Services, services

router = APIRouter(tags=["operations"])

MAX_READY_LAG_S = 10.0


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> dict[str, str]:
    """Answers as long as the HTTP thread runs."""
    return {"status": "ok"}


@router.get("/readyz", summary="Whether what is asked now is answered from fresh data")
async def readyz(parts: Annotated[Services, Depends(services)]) -> JSONResponse:
    """200 when the stream is at most 10 s behind the log, else 503; the body says how far behind."""
    lag_s = parts.progress.lag_s
    ready = lag_s <= MAX_READY_LAG_S and parts.progress.has_replayed
    body = {
        "status": "ready" if ready else "catching up",
        "lag_seconds": round(lag_s, 3),
        "frames_behind": parts.progress.frames_behind,
        "partitions": parts.partitions(),
    }
    return JSONResponse(body, 200 if ready else 503)


@router.get("/metrics", summary="Prometheus metrics of all processes on this data folder", response_class=Response)
def metrics() -> Response:
    """Text format 0.0.4."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        CollectorByGateway(registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
