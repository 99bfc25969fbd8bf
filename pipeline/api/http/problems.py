"""Every error of the HTTP application as an RFC 9457 problem document (https://www.rfc-editor.org/rfc/rfc9457).

    {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "…", "parameter": "from", "value": "…"}

`detail` says what was wrong and what is allowed; `parameter` names the wrong parameter, if there is one. Code below
HTTP raises its own errors, which `ANSWERS` maps; only code that reads requests raises a `Problem`.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from pipeline.api.http.nearest import nearest
from pipeline.base import errors as pipeline_errors
from store import errors as store_errors
from store.catalog.adopt import CannotRetype
from store.reading.averages import MeasureNotNumeric, UnknownMeasure
from store.sql import errors as sql_errors

log = logging.getLogger(__name__)

SHOWN_CHARACTERS = 200  # of an invalid value


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
    """The methods of the path: each method has its own route, and Starlette names only those of the first."""
    routes = (getattr(found, "original_router", None) for found in request.app.router.routes)
    known = (route for router in routes if router is not None for route in router.routes)
    matching = (route for route in known if route.matches(request.scope)[0] is not Match.NONE)
    methods = {method for route in matching for method in getattr(route, "methods", None) or ()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _nearest(name: str, request: Request) -> str:
    """The similar keys of the body."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return nearest(name, getattr(body.field_info.annotation, "model_fields", ())) if body else ""


def _answering(answer: Answer) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answering(_: Request, error: Exception) -> Response:
        return answer.to(error)

    return answering


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to an error: its own text, or `instead`; then its text is logged after the words of `logged`."""

    status: int
    parameter: str | None = None
    retry_after_s: int | None = None
    instead: str | None = None
    attributes: tuple[str, ...] = ()  # of the error that are members of the document
    logged: str | None = None
    is_traced: bool = False  # the log line has a traceback

    def to(self, error: Exception) -> JSONResponse:
        """The response."""
        if self.logged is not None:
            log.error("%s: %s", self.logged, error, exc_info=error if self.is_traced else None)
        members = {name: getattr(error, name) for name in self.attributes}
        answer = document(
            self.status, self.instead or str(error), ({"parameter": self.parameter} if self.parameter else {}) | members
        )
        retry_after_s = getattr(error, "retry_after_s", self.retry_after_s)
        if retry_after_s is not None:
            answer.headers["retry-after"] = str(retry_after_s)
        return answer


_STORE_FAILED = Answer(500, instead="internal error; see the server log", logged="the store failed", is_traced=True)

# The most specific class of an error counts.
ANSWERS: dict[type[Exception], Answer] = {
    pipeline_errors.Unauthenticated: Answer(401),
    pipeline_errors.Forbidden: Answer(403, attributes=("role",)),
    pipeline_errors.UnknownZone: Answer(404, "zone"),
    pipeline_errors.AmbiguousZone: Answer(400, "table"),
    pipeline_errors.OverQuota: Answer(429),
    pipeline_errors.Busy: Answer(503, retry_after_s=1),
    pipeline_errors.PeerUnavailable: Answer(503, retry_after_s=1),
    pipeline_errors.LogFull: Answer(503),
    pipeline_errors.LogUnavailable: Answer(503),
    pipeline_errors.LogError: Answer(500),
    pipeline_errors.ArchiveError: Answer(
        500, instead="internal error; see the server log", logged="an archive cannot be used"
    ),
    sql_errors.SqlError: Answer(400, "sql"),
    sql_errors.QueryTimedOut: Answer(504, "sql"),
    sql_errors.QueryEnded: Answer(503, "sql", retry_after_s=1),
    store_errors.QueryTimeout: Answer(504),
    store_errors.QueryCancelled: Answer(409),
    store_errors.UnknownDatabase: Answer(404, "table"),
    store_errors.UnknownTable: Answer(404, "table"),
    store_errors.LimitReached: Answer(400),
    UnknownMeasure: Answer(400, "measure"),
    MeasureNotNumeric: Answer(400, "measure"),
    CannotRetype: Answer(400, "measure"),
    store_errors.MagneticUnavailable: Answer(
        503,
        instead="the magnetic tier is not available; try again later",
        logged="a query needs files of the magnetic tier, whose storage is not available",
    ),
    store_errors.PartitionSilent: Answer(503),
    store_errors.Behind: Answer(503),
    store_errors.ResultTooLarge: Answer(400),
    store_errors.OutOfMemory: Answer(
        503, retry_after_s=1, instead="there is not enough memory for this now: ask for less, or try again later"
    ),
    store_errors.QueryFailed: _STORE_FAILED,
    store_errors.MagneticTierError: _STORE_FAILED,
    store_errors.StoreFormatError: _STORE_FAILED,
    store_errors.StoreError: _STORE_FAILED,
}


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""
    for kind, answer in ANSWERS.items():
        app.add_exception_handler(kind, _answering(answer))

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        answer = document(error.status, error.detail, error.members)
        answer.headers.update(error.headers)
        return answer

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, ValueError | RecursionError):  # what FastAPI's reading of a body failed with
            return document(400, f"the body is not JSON: {error.__cause__}", {"parameter": "body"})
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

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> JSONResponse:  # noqa: ARG001  # the client is gone
        return document(400, "the request was not sent completely")

    @app.exception_handler(Exception)
    async def anything(_: Request, error: Exception) -> JSONResponse:
        log.error("a request failed: %s", error, exc_info=error)
        return document(500, "internal error; see the server log")
