"""Normalises requests of clients before the routes see them: ASGI middleware around all routes.

HEAD is GET without its body. One slash at the end of a path is removed. A body is JSON in UTF-8, whatever its
Content-Type, if the request only reads. If it changes something, its Content-Type must be JSON, or absent, because an
HTML form on any web page could send it to a server without tokens. A body above the limit of its path is not read, nor
one of a client without a valid token.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.http.problems import Problem, document
from pipeline.base.errors import Unauthenticated

MAX_TARGET_BYTES = 16 * 1024  # of path and query
MAX_JSON_BYTES = 4 * 1024 * 1024  # of a body under /v1: SQL has at most 256 KiB, a rule file a million characters
MAX_PROTOCOL_BYTES = 16 * 1024 * 1024  # of Timestream's protocol: 100 records of 256 measures of 2 KB are less
_ONLY_ASKS = {"/v1/query"}
_UNNAMED = {
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
}  # what clients send by default


class RequestNormaliser:
    """Answers invalid requests, and passes on the others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
            receive = _limited(receive, limit)
        try:
            await self._app(inner, receive, send)
        finally:
            scope["route"] = inner.get("route")  # for `RequestMetrics`


def _path(path: str) -> str:
    return path[:-1] if path.endswith("/") and not path.endswith("//") and path != "/" else path


def _limit(scope: Scope) -> int | None:
    """The size limit of the body; None if it is not checked here."""
    if scope["method"] == "GET":
        return None
    if scope["path"] == "/":
        return MAX_PROTOCOL_BYTES
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
    is_json = kind in {"", "application/json", "text/json"} or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    if not is_json and not (kind in _UNNAMED and scope["path"] in _ONLY_ASKS):
        raise Problem(415, f"Content-Type: {kind} is not taken here; send application/json", parameter="body")
    headers["content-type"] = "application/json"
    return headers.raw


def _limited(receive: Receive, limit: int) -> Receive:
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, _too_large(f"more than {received:,}", limit))
        return message

    return counting


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending
