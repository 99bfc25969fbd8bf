"""Every error of the HTTP application as an RFC 9457 problem document (https://www.rfc-editor.org/rfc/rfc9457).

    {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "…", "parameter": "from", "value": "…"}

`detail` says what was wrong and what is allowed; `parameter` names the parameter at fault where there is one.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from pipeline.api.http.nearest import nearest
from pipeline.base.errors import LogError, LogFull, LogUnavailable, PeerUnavailable
from store.errors import (
    Behind,
    MagneticUnavailable,
    PartitionSilent,
    QueryCancelled,
    QueryTimeout,
    StoreError,
    UnknownDatabase,
    UnknownTable,
)
from store.sql.errors import QueryTimedOut, SqlError

log = logging.getLogger(__name__)

SHOWN_CHARACTERS = 200  # of a value that is not possible


class Problem(Exception):
    """Raised by a route; answered as a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        parameter: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = ({"parameter": parameter} if parameter else {}) | members


def bad_parameter(name: str, value: object, allowed: str) -> Problem:
    """A 400 that says which parameter, its value, and what is allowed."""
    shown = str(value)[:SHOWN_CHARACTERS]
    return Problem(400, f"{name}={shown} is not possible: {allowed}", parameter=name, value=shown)


def document(status: int, detail: str, members: dict[str, Any] | None = None) -> JSONResponse:
    """The response for one problem."""
    body = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status, "detail": detail}
    headers = {"www-authenticate": "Bearer"} if status == http.HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body | (members or {}), status, headers, media_type="application/problem+json")


def _methods_at(request: Request) -> str:
    """What the path takes: a method has its own route, and Starlette names those of the first."""
    routes = (getattr(found, "original_router", None) for found in request.app.router.routes)
    known = (route for router in routes if router is not None for route in router.routes)
    matching = (route for route in known if route.matches(request.scope)[0] is not Match.NONE)
    methods = {method for route in matching for method in getattr(route, "methods", None) or ()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _nearest(name: str, request: Request) -> str:
    """Which key of the body may have been meant."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return nearest(name, getattr(body.field_info.annotation, "model_fields", ())) if body else ""


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        answer = document(error.status, error.detail, error.members)
        answer.headers.update(error.headers)
        return answer

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        detail, headers = str(error.detail), dict(error.headers or {})
        if error.status_code == http.HTTPStatus.NOT_FOUND:
            detail = f"there is nothing at {request.url.path}; /docs lists the paths"
        elif error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = _methods_at(request)
            detail = f"{request.method} is not possible at {request.url.path}: it takes {headers['Allow']}"
        answer = document(error.status_code, detail)
        answer.headers.update(headers)
        return answer

    @app.exception_handler(RequestValidationError)
    async def parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            detail = f"the body is not JSON: {first['ctx']['error']} at character {first['loc'][-1]}"
            return document(400, detail, {"parameter": "body"})
        name = next(str(part) for part in reversed(first["loc"]) if isinstance(part, str))
        given = repr(first.get("input"))
        if first["type"] == "extra_forbidden":
            return document(400, f"there is no {name} in this body: {_nearest(name, request)}", {"parameter": name})
        what = "is missing" if first["type"] == "missing" else f"is {given[:SHOWN_CHARACTERS]}: {first['msg']}"
        return document(400, f"{name} {what}", {"parameter": name})

    @app.exception_handler(SqlError)
    async def sql(_: Request, error: SqlError) -> JSONResponse:
        return document(504 if isinstance(error, QueryTimedOut) else 400, str(error), {"parameter": "sql"})

    @app.exception_handler(StoreError)
    async def store(_: Request, error: StoreError) -> JSONResponse:
        if isinstance(error, QueryTimeout):
            return document(504, str(error))
        if isinstance(error, QueryCancelled):
            return document(409, str(error))
        if isinstance(error, UnknownDatabase | UnknownTable):
            return document(404, str(error))
        if isinstance(error, MagneticUnavailable):
            log.error("a query needs files of the magnetic tier, whose storage is not available: %s", error)
            return document(503, "the magnetic tier is not available; try again later")
        if isinstance(error, PartitionSilent | Behind):
            return document(503, str(error))
        log.error("the store failed: %s", error, exc_info=error)
        return document(500, "internal error; see the server log")

    @app.exception_handler(LogError)
    async def durable_log(_: Request, error: LogError) -> JSONResponse:
        return document(503 if isinstance(error, LogFull | LogUnavailable) else 500, str(error))

    @app.exception_handler(PeerUnavailable)
    async def peer(_: Request, error: PeerUnavailable) -> JSONResponse:
        answer = document(503, str(error))
        answer.headers["retry-after"] = "1"
        return answer

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> JSONResponse:  # noqa: ARG001  # nobody is left to be answered
        return document(400, "the request was not sent completely")

    @app.exception_handler(Exception)
    async def anything(_: Request, error: Exception) -> JSONResponse:
        log.error("a request failed: %s", error, exc_info=error)
        return document(500, "internal error; see the server log")
