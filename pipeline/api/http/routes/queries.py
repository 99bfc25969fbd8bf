"""`/v1/queries`: the account's queries that run or wait, and their cancellation."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from pipeline.api.http import responses
from pipeline.api.http.forwarding import FORWARDED, forwarded
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.services import Services, account, services
from store.values.times import NS, rfc3339

router = APIRouter(prefix="/v1/queries", tags=["sql"])

Parts = Annotated[Services, Depends(services)]
Account = Annotated[str, Depends(account)]


@router.get("", summary="Queries that run or wait, the oldest first", **answers(responses.Queries))
async def queries(parts: Parts, account: Account) -> responses.Queries:
    """SQL on either protocol, and averages; those of the worker that is asked."""
    now_ns = parts.clock_ns()
    listed: list[responses.Query] = []
    for query in parts.queries.active(account):
        started_ns = None if query.ran_s is None else now_ns - int(query.ran_s * NS)
        asked_ns = (started_ns or now_ns) - int(query.waited_s * NS)
        listed.append(
            {
                "id": query.id,
                "text": query.text,
                "state": "waiting" if started_ns is None else "running",
                "asked": rfc3339(asked_ns),
                "started": None if started_ns is None else rfc3339(started_ns),
            }
        )
    return {"queries": listed}


@router.post("/{query_id}/cancel", summary="End a query", **answers(responses.Cancelled, 404, *OF_BODIES))
async def cancel(request: Request, parts: Parts, account: Account, query_id: str) -> responses.Cancelled | Response:
    """The client that waits for its answer gets a 409. Any worker can be asked."""
    if parts.queries.cancel(account, query_id):
        return {"cancelled": query_id}
    if parts.topic_owners is not None and FORWARDED not in request.headers:
        for other in await asyncio.to_thread(parts.topic_owners.others):
            answer = await forwarded(parts.topic_owners, other, request)
            if answer.status_code != 404:
                return answer
    raise Problem(404, f"no query {query_id} runs or waits; /v1/queries lists those that do", parameter="query_id")
