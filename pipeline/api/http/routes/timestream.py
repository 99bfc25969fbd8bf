"""`POST /`: Amazon Timestream's wire protocol, so that its clients need only another endpoint URL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from pipeline.api.http.forwarding import FORWARDED, TopicOwners, forwarded
from pipeline.api.http.openapi import Responses, refusals
from pipeline.api.http.services import Services, asker_of, services
from pipeline.api.http.slots import Asker
from pipeline.base import metrics
from pipeline.base.errors import PeerUnavailable
from pipeline.config.roles import Role
from store.endpoint.context import Runner
from store.endpoint.errors import AccessDenied, EndpointError, Throttling
from store.endpoint.shapes import REQUESTS

T = TypeVar("T")

router = APIRouter(tags=["timestream"])

DENIED = AccessDenied(
    "The request is not signed with an account of this server: the access key id is the account's name, the secret "
    "access key one of its tokens."
)

_NOT_ALLOWED = "User: {} is not authorized to perform: timestream:{}, because its token has the role {}; {} is needed"

_JSON = "application/x-amz-json-1.0"
_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": "X-Amz-Target",
            "in": "header",
            "required": True,
            "description": "Timestream_20181101. and the operation",
            "schema": {"type": "string", "examples": ["Timestream_20181101.Query"]},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {_JSON: {"schema": {"type": "object", "examples": [{"QueryString": "SELECT 1"}]}}},
    },
}
_REFUSED = {
    "type": "object",
    "required": ["__type", "message"],
    "properties": {
        "__type": {"type": "string", "description": "the error's name in Timestream"},
        "message": {"type": "string"},
    },
}
_RESPONSES: Responses = {
    200: {
        "description": "The operation's response, as Timestream's API reference has it",
        "content": {_JSON: {"schema": {"type": "object"}}},
    },
    **{
        status: {"description": words, "content": {_JSON: {"schema": _REFUSED}}}
        for status, words in {
            400: "The request, or the query, is not possible",
            403: "Not signed with an account of this server, or its role may not do that",
            404: "There is no such database or table",
            409: "It exists already",
            419: "Some records were not stored; RejectedRecords says which",
            429: "Too much at once; try again",
            500: "Internal error; see the server log",
        }.items()
    },
    **refusals(413, 503),
}


@router.post(
    "/",
    summary="Amazon Timestream's protocol (write and query)",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_REQUEST,
)
async def timestream(request: Request, parts: Annotated[Services, Depends(services)]) -> Response:
    """The operation is named by the header `X-Amz-Target`, as `Timestream_20181101.Query`."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not parts.credentials.may_have_signed(headers):
        return _told(DENIED)
    body = await request.body()
    who = parts.credentials.signer(headers, body, parts.clock_ns())
    if who is None:
        return _told(DENIED)
    account, target = who.account, headers.get("x-amz-target", "")
    operation = target.rpartition(".")[2]
    needed = _role_for(operation)
    if operation in REQUESTS and not who.role.includes(needed):
        return _told(AccessDenied(_NOT_ALLOWED.format(account, operation, who.role, needed)))
    if parts.topic_owners is not None and FORWARDED not in headers:
        try:
            owner = _page_owner(parts.topic_owners, target, body)
            if owner is not None:
                return await forwarded(parts.topic_owners, owner, request)
            if target.endswith(".CancelQuery"):  # an id does not show which worker keeps the result
                for other in await asyncio.to_thread(parts.topic_owners.others):
                    await forwarded(parts.topic_owners, other, request)
        except PeerUnavailable as error:
            return _told(Throttling(f"The query's result is not within reach now; try again later ({error})"))
    answer = await parts.endpoint.handle(
        target,
        headers,
        body,
        account,
        _Slots(parts, asker_of(request, account), operation),
        parts.buckets(account) if who.role.includes(Role.WRITE) else None,
    )
    outcome = "answered" if answer.status < 400 else "refused" if answer.status < 500 else "failed"
    metrics.timestream_requests.labels(operation if operation in REQUESTS else "other", outcome).inc()
    return Response(answer.body, answer.status, dict(answer.headers))


def _role_for(operation: str) -> Role:
    """The role that an operation needs: to read, to add, or to change and remove."""
    if operation.startswith(("Describe", "List")) or operation in {"Query", "CancelQuery", "PrepareQuery"}:
        return Role.READ
    return (
        Role.WRITE
        if operation == "WriteRecords" or operation.startswith(("Create", "Resume", "Execute"))
        else Role.ADMIN
    )


@dataclass(frozen=True, slots=True)
class _Slots:
    """Runs operations in slots: long queries in those of queries, everything else in those of lists."""

    parts: Services
    asker: Asker
    operation: str

    def run(
        self, function: Callable[[], T], /, *, query_id: str | None = None, text: str = "", is_short: bool = False
    ) -> Awaitable[T]:
        """See `Runner`."""
        slots = self.parts.queries if self.operation == "Query" and not is_short else self.parts.lists
        return slots.run(self.asker, function, query_id=query_id, text=text)

    def cancel(self, query_id: str) -> None:
        """See `Runner`."""
        self.parts.queries.cancel(self.asker.account, query_id)


def runner_of(parts: Services) -> Callable[[str], Runner]:
    """What runs the queries of an account that no client waits for: in its slots, as if it had asked."""
    return lambda account: _Slots(parts, Asker(account), "Query")


class _Page(msgspec.Struct):
    NextToken: str = ""


_page_decoder = msgspec.json.Decoder(_Page)


def _page_owner(topic_owners: TopicOwners, target: str, body: bytes) -> str | None:
    """The other worker that keeps the result for the requested page."""
    if not target.endswith(".Query") or b'"NextToken"' not in body:
        return None
    try:
        return topic_owners.page_owner(_page_decoder.decode(body).NextToken)
    except msgspec.MsgspecError:
        return None  # the endpoint reports what is wrong with it


def _told(error: EndpointError) -> Response:
    return JSONResponse(error.body(), error.status, media_type=_JSON)
