"""`POST /`: Amazon Timestream's wire protocol, so that its clients are pointed here by their endpoint URL alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from pipeline import metrics
from pipeline.http.services import Services, services
from store.endpoint.errors import AccessDenied
from store.endpoint.shapes import REQUESTS

router = APIRouter(tags=["timestream"])

DENIED = AccessDenied(
    "The request is not signed with an account of this server: the access key id is the account's name, the secret "
    "access key one of its tokens."
)


@router.post("/", summary="Amazon Timestream's protocol (write and query)", response_class=Response)
async def timestream(request: Request, parts: Annotated[Services, Depends(services)]) -> Response:
    """The operation is named by the header `X-Amz-Target`, as `Timestream_20181101.Query`."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = await request.body()
    account = parts.credentials.account_of_signed(headers, body, parts.clock_ns())
    if account is None:
        return JSONResponse(DENIED.body(), DENIED.status, media_type="application/x-amz-json-1.0")
    target = headers.get("x-amz-target", "")
    answer = await parts.endpoint.handle(target, headers, body, account)
    operation = target.rpartition(".")[2]
    outcome = "answered" if answer.status < 400 else "refused" if answer.status < 500 else "failed"
    metrics.timestream_requests.labels(operation if operation in REQUESTS else "other", outcome).inc()
    return Response(answer.body, answer.status, dict(answer.headers))
