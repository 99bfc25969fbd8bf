"""`/readyz`: for supervisors and load balancers; needs no token and shows nothing of the data."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from pipeline.api.http.openapi import json_of
from pipeline.api.http.responses import Readiness
from pipeline.api.http.services import Services, services

router = APIRouter(tags=["operations"])

MAX_READY_LAG_S = 10.0


@router.get(
    "/readyz",
    summary="Whether queries are answered from fresh data",
    responses={
        200: {"content": json_of(Readiness), "description": "It is"},
        503: {
            "content": json_of(Readiness),
            "description": "The stream is further behind, or replays the log after a start",
        },
    },
)
def readyz(parts: Annotated[Services, Depends(services)]) -> JSONResponse:
    """200 when the stream is at most 10 s behind the log, else 503; the body says how far, and what the clock did.

    In a thread of its own: on Kafka the lag is asked of the broker.
    """
    lag_s = parts.progress.lag_s
    ready = lag_s <= MAX_READY_LAG_S and parts.progress.has_replayed
    body: dict[str, Any] = {
        "status": "ready" if ready else "catching up",
        "lag_seconds": round(lag_s, 3),
        "frames_behind": parts.progress.frames_behind,
        "partitions": parts.partitions(),
    }
    if parts.steps is not None:
        body["clock"] = parts.steps.told()
    return JSONResponse(body, 200 if ready else 503)
