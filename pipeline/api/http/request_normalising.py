"""Normalises requests of clients before the routes see them: ASGI middleware around all routes.

HEAD is GET without its body. One slash at the end of a path is removed. A body is JSON in UTF-8, whatever its
Content-Type, if the request only reads. If it changes something, its Content-Type must be JSON, or absent, because an
HTML form on any web page could send it to a server without tokens; that of an import must be Arrow. A body above the
limit of its path is not read, nor one of a client without a valid token.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.http.problems import Problem, document
from pipeline.base import metrics
from pipeline.base.errors import Unauthenticated

MAX_TARGET_BYTES = 16 * 1024  # of path and query
MAX_JSON_BYTES = 4 * 1024 * 1024  # of a body under /v1: SQL has at most 256 KiB, a rule file a million characters
MAX_IMPORT_BYTES = 32 * 1024 * 1024
MAX_PROTOCOL_BYTES = 16 * 1024 * 1024  # of Timestream's protocol: 100 records of 256 measures of 2 KB are less
_ONLY_ASKS = {"/v1/query"}
ARROW = "application/vnd.apache.arrow.stream"
_TAKES_ARROW = {"/v1/import"}
_UNNAMED = {
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
}  # what clients send by default


class RequestNormaliser:
    """Answers invalid requests, and passes on the others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._bodies = _Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inner = {**scope, "path": _path(scope["path"])}
        if scope["method"] == "HEAD":
            inner["method"], send = "GET", _without_body(send)
        limit = _limit(inner)
        if len(inner["raw_path"]) + len(inner["query_string"]) > MAX_TARGET_BYTES:
            await document(414, f"path and query have at most {MAX_TARGET_BYTES:,} bytes")(scope, receive, send)
            return
        if limit is not None:
            try:
                _check_size(inner, limit)
                if inner["path"].startswith("/v1"):
                    _check_token(inner)
                    inner["headers"] = _as_json(inner)
            except Problem as problem:
                await document(problem.status, problem.detail, problem.members)(scope, receive, send)
                return
        body = _Body(receive, limit, self._bodies, scope["app"].state.services.limits.bodies)
        try:
            await self._app(inner, receive if limit is None else body.receive, send)
        except asyncio.CancelledError:
            if not body.gives_way:
                raise
            body.end_giving_way()
            await document(503, body.refusal)(scope, receive, send)
        finally:
            body.end()
            scope["route"] = inner.get("route")  # for `RequestMetrics`


def _path(path: str) -> str:
    return path[:-1] if path.endswith("/") and not path.endswith("//") and path != "/" else path


def _limit(scope: Scope) -> int | None:
    """The size limit of the body; None if it is not checked here."""
    if scope["method"] == "GET":
        return None
    if scope["path"] == "/":
        return MAX_PROTOCOL_BYTES
    if scope["path"] in _TAKES_ARROW:
        return MAX_IMPORT_BYTES
    return MAX_JSON_BYTES if scope["path"].startswith("/v1") else None


def _check_token(scope: Scope) -> None:
    """Raise Problem 401 if the request has no valid token: its body is not read then."""
    try:
        scope["app"].state.services.credentials.bearer(Headers(scope=scope).get("authorization"))
    except Unauthenticated as error:
        raise Problem(401, str(error)) from error


def _check_size(scope: Scope, limit: int) -> None:
    length = Headers(scope=scope).get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise Problem(413, _too_large(length, limit), parameter="body")


def _too_large(length: str, limit: int) -> str:
    return f"the body has {length} bytes; {limit:,} are allowed at this path"


def _as_json(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers with the content type JSON. Raises Problem 415."""
    headers = MutableHeaders(raw=list(scope["headers"]))
    encoding = headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise Problem(415, f"Content-Encoding: {encoding} is not taken; send the body as it is", parameter="body")
    kind, _, rest = headers.get("content-type", "").lower().partition(";")
    kind, rest = kind.strip(), rest.replace('"', "").strip()
    if "charset=" in rest and rest.partition("charset=")[2].strip() not in {"utf-8", "utf8", "us-ascii"}:
        raise Problem(415, f"Content-Type: {rest} is not taken; JSON is in UTF-8", parameter="body")
    if scope["path"] in _TAKES_ARROW:
        if kind != ARROW:
            raise Problem(415, f"Content-Type: {kind} is not taken here; send {ARROW}", parameter="body")
        return headers.raw
    is_json = kind in {"", "application/json", "text/json"} or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    if not is_json and not (kind in _UNNAMED and scope["path"] in _ONLY_ASKS):
        raise Problem(415, f"Content-Type: {kind} is not taken here; send application/json", parameter="body")
    headers["content-type"] = "application/json"
    return headers.raw


@dataclass(slots=True)
class _Bodies:
    """The bodies in memory, of requests in progress; `receiving` are those that are not complete, oldest first.

    If they become too many, the one that has been arriving for longest gives way: whoever sends slowly, perhaps without
    a valid signature, which is known at the end of the body only, keeps nobody out.
    """

    size_bytes: int = 0
    receiving: dict[_Body, None] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Body:
    """The body of a request, as it is received: of at most `limit` bytes, if there is room for it in `bodies`."""

    _receive: Receive
    _limit: int | None
    _bodies: _Bodies
    _most_bytes: int
    size_bytes: int = 0
    gives_way: bool = False
    task: asyncio.Task[object] | None = None

    @property
    def refusal(self) -> str:
        """Why it gives way."""
        return f"the bodies of requests in progress have more than {self._most_bytes:,} bytes; try again later"

    async def receive(self) -> Message:
        """The next part. Raises HTTPException 413, 503."""
        self.task = asyncio.current_task()
        self._bodies.receiving.setdefault(self)
        message = await self._receive()
        if not message.get("more_body"):
            self._bodies.receiving.pop(self, None)
        part = len(message.get("body", b""))
        self.size_bytes += part
        self._bodies.size_bytes += part
        if self._limit is not None and self.size_bytes > self._limit:
            raise HTTPException(413, _too_large(f"more than {self.size_bytes:,}", self._limit))
        if self._bodies.size_bytes > self._most_bytes:
            self._make_room()
        return message

    def end(self) -> None:
        """The request is answered: its body is not in memory any more."""
        self._bodies.receiving.pop(self, None)
        self._bodies.size_bytes -= self.size_bytes
        self.size_bytes = 0

    def end_giving_way(self) -> None:
        """The request has ended because of this, and is answered."""
        assert self.task is not None
        self.task.uncancel()

    def _make_room(self) -> None:
        metrics.http_requests_refused.labels("bodies").inc()
        oldest = next(iter(self._bodies.receiving), self)
        if oldest is self or oldest.task is None:
            raise HTTPException(503, self.refusal, {"Retry-After": "1"})
        oldest.gives_way = True
        oldest.end()
        oldest.task.cancel()


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending
