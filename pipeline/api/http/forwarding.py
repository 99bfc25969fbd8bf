"""Forwards requests for data that one worker keeps for the whole group to that worker, unchanged.

Alerts and dead letters are kept by one worker each, so lists and their pages are the same whichever worker is asked;
the result of a query is kept by the worker that returned its first page. A forwarded request has a header, and is not
forwarded again: while alerts and dead letters move from one worker to another, the response is 503, try again.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.api.http.problems import document
from pipeline.base.errors import PeerUnavailable
from pipeline.cluster.client import Answered, Forwarded
from pipeline.log.topics import ALERTS, DEAD_LETTERS

FORWARDED = "x-streamgauge-forwarded"
KEPT = {"/v1/alerts": ALERTS, "/v1/silences": ALERTS, "/v1/dead-letters": DEAD_LETTERS}
ENDLESS = "/v1/alerts/stream"  # its route says whom to ask: an answer is forwarded as a whole
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class TopicOwners(Protocol):
    """Which worker keeps what, and how to reach it."""

    def owner_of(self, topic: str) -> str | None:
        """The address of the other worker that keeps it; None if it is this one. Raises PeerUnavailable."""
        ...

    def page_owner(self, token: str) -> str | None:
        """The address of the other worker that issued this page token; None if it is this one."""
        ...

    def others(self) -> list[str]:
        """The addresses of the other workers of the group. Raises PeerUnavailable."""
        ...

    async def forward(self, address: str, asked: Forwarded) -> Answered:
        """The response of the worker at `address`. Raises PeerUnavailable."""
        ...


class ToOwner:
    """ASGI middleware that forwards requests under `KEPT` to the worker that keeps the data."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        topic = _topic(scope)
        topic_owners: TopicOwners | None = scope["app"].state.services.topic_owners if topic else None
        if topic is None or topic_owners is None:
            await self._app(scope, receive, send)
            return
        try:
            owner = await asyncio.to_thread(topic_owners.owner_of, topic)
            if owner is None:
                await self._app(scope, receive, send)
                return
            if FORWARDED in Headers(scope=scope):
                answer = _later(f"[{topic}] is being reassigned to another worker")
            else:
                answer = await forwarded(topic_owners, owner, Request(scope, receive))
        except PeerUnavailable as error:
            answer = _later(str(error))
        await answer(scope, receive, send)


def _later(detail: str) -> Response:
    answer = document(503, detail)
    answer.headers["retry-after"] = "1"
    return answer


def _topic(scope: Scope) -> str | None:
    if scope["type"] != "http":
        return None
    path: str = scope["path"]
    if path == ENDLESS:
        return None
    return next((topic for prefix, topic in KEPT.items() if path == prefix or path.startswith(f"{prefix}/")), None)


async def forwarded(topic_owners: TopicOwners, owner: str, request: Request) -> Response:
    """The response of the worker at `owner` to the request, whose signature remains valid. Raises PeerUnavailable."""
    headers = {name: value for name, value in request.headers.items() if name not in _OF_ONE_CONNECTION}
    query = f"?{request.url.query}" if request.url.query else ""
    target = f"{request.url.path}{query}"
    answer = await topic_owners.forward(
        owner, Forwarded(request.method, target, headers | {FORWARDED: "1"}, await request.body())
    )
    of_body = {*_OF_ONE_CONNECTION, "content-encoding"}  # httpx has decoded it
    kept = {name: value for name, value in answer.headers.items() if name not in of_body}
    return Response(answer.body, answer.status, kept)
