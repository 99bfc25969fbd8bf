"""What the OpenAPI document says of errors: problem documents, by the statuses that routes under /v1 answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict


class ProblemDocument(BaseModel):
    """RFC 9457. Further members say more, as `value`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": "there is no parameter tabel: did you mean table?",
                "parameter": "tabel",
            }
        },
    )
    type: str
    title: str
    status: int
    detail: str
    parameter: str | None = None


_WORDS = {
    400: "A parameter, a key of the body, or the SQL; `detail` says which and what is allowed",
    401: "No token, or not one of those configured",
    403: "The token's role may not do that",
    404: "There is none of this name",
    503: "Not now: the log is replayed, too much waits, or another worker does not answer; try again",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": words,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }
    for status, words in _WORDS.items()
}


def describe(app: FastAPI) -> None:
    """Make the document of `app` say what it answers: never FastAPI's own 422."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's "Extending OpenAPI" has it
