"""Describes the responses of each path in the OpenAPI document: their types, and problem documents by status.

It only describes: FastAPI gets a type, and sends the route's value unchanged. The status 405 belongs to no operation
(it answers methods for which a path has no operation), and is described in the document's introduction.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pipeline.api.http import responses as types

Responses = dict[int | str, dict[str, Any]]


class ProblemDocument(BaseModel):
    """RFC 9457. Further members give details, for example `value`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Bad Request",
                    "status": 400,
                    "detail": "there is no parameter tabel: did you mean table?",
                    "parameter": "tabel",
                }
            ]
        },
    )
    type: str = Field(description="always about:blank: the status says it")
    title: str = Field(description="the status in words")
    status: int = Field(description="the status of the answer")
    detail: str = Field(description="what was wrong, and what is allowed")
    parameter: str | None = Field(default=None, description="which parameter, or key of the body, was at fault")


_WORDS = {
    400: "A parameter, a key of the body, or the SQL; `detail` says which and what is allowed",
    401: "No token, or not one of those configured",
    403: "The token's role may not do that",
    404: "There is none of this name",
    409: "The query was cancelled",
    413: "The body is larger than this path takes",
    415: "The body is not JSON in UTF-8, or is compressed",
    500: "Internal error; see the server log",
    503: "Not now: the log is replayed, too much waits, or another worker does not answer; try again",
    504: "It took longer than it may",
}
_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "seconds, where it is known", "schema": {"type": "integer"}}},
}
_REF = "#/components/schemas/{model}"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemDocument")}}}

EVERYWHERE = (400, 401, 500, 503)  # under /v1
OF_BODIES = (413, 415)


def refusals(*statuses: int) -> Responses:
    """The responses of these statuses, as problem documents."""
    return {
        status: {
            "description": _WORDS[status],
            "content": _PROBLEM,
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
        for status in statuses
    }


def answers(model: Any, *refused: int) -> dict[str, Any]:
    """Arguments of a route that answers JSON of this type, or a problem with one of these statuses or of EVERYWHERE."""
    responses: Responses = {200: {"description": model.__doc__, "content": json_of(model)}, **refusals(*refused)}
    return {"response_model": dict[str, Any], "responses": responses}


def json_of(model: Any) -> dict[str, Any]:
    """The content of a response with JSON of this type, one of `pipeline.api.http.responses`."""
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}


def events_of(*models: str) -> dict[str, Any]:
    """The response of a stream of server-sent events, whose data are of one of these types."""
    schema = {"description": "the JSON of each event's data", "anyOf": [{"$ref": _REF.format(model=m)} for m in models]}
    return {"description": "Server-sent events", "content": {"text/event-stream": {"schema": schema}}}


def describe(app: FastAPI) -> None:
    """Make the document of `app` describe the real responses, without FastAPI's own 422."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= _types()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                operation["responses"].pop("422", None)
                if method == "get" and path.startswith("/v1") and _has_tag(operation):
                    operation["responses"]["304"] = _NOT_CHANGED
                for response in operation["responses"].values():
                    _only_the_type(response)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as in FastAPI's "Extending OpenAPI"


_NOT_CHANGED = {"description": "The client has this answer already: its ETag is in If-None-Match"}


def _has_tag(operation: dict[str, Any]) -> bool:
    """Whether the answer has an ETag: events have none."""
    return "text/event-stream" not in operation["responses"]["200"]["content"]


def _types() -> dict[str, Any]:
    """The schemas of the types of responses. FastAPI would build them at each start, and without nullable members."""
    answered = [model for model in vars(types).values() if hasattr(model, "__pydantic_config__")]
    models = enumerate((*answered, ProblemDocument))
    _, made = TypeAdapter.json_schemas(
        [(number, "serialization", TypeAdapter(model)) for number, model in models], ref_template=_REF
    )
    schemas: dict[str, Any] = made["$defs"]
    return schemas


def _only_the_type(response: dict[str, Any]) -> None:
    """FastAPI wraps the schema of `response_model` around that of the type; remove it."""
    for content in response.get("content", {}).values():
        schema = content.get("schema", {})
        if "$ref" in schema:
            content["schema"] = {"$ref": schema["$ref"]}
