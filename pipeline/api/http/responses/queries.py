"""Statements of SQL."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.common import Time, one_of, shown


@shown(functions=["abs", "ago", "avg"])
class Functions(TypedDict):
    """What SQL can call."""

    functions: Annotated[list[str], Field(description="the names, in order")]


class ResultColumn(TypedDict):
    """A column of a result."""

    name: Annotated[str, Field(description="as in the query")]
    type: Annotated[str, Field(description="in Timestream's words, as `bigint` or `array[double]`")]


@shown(columns=[{"name": "n", "type": "bigint"}], rows=[[120000]], truncated=False)
class QueryResult(TypedDict):
    """A query's result. Numbers, truths and text are as they are; times are RFC 3339 text, NaN and infinities text."""

    columns: list[ResultColumn]
    rows: Annotated[list[list[Any]], Field(description="a value a column, null where there is none")]
    truncated: Annotated[bool, Field(description="whether there were more rows than an answer may have")]


class Query(TypedDict):
    """A query that runs, or waits for a place."""

    id: Annotated[str, Field(description="Timestream's QueryId, where it was asked there")]
    text: Annotated[str, Field(description="the SQL, or which averages")]
    state: Annotated[str, one_of("running", "waiting", description="waiting for a place, or running")]
    asked: Annotated[Time, Field(description="when it came")]
    started: Annotated[Time | None, Field(description="null while it waits")]


@shown(
    queries=[
        {
            "id": "AEBQEAMZ6PYW4TJ5GK2ULQ3X7Y",
            "text": "SELECT 1",
            "state": "running",
            "asked": "2026-11-23T10:00:00Z",
            "started": "2026-11-23T10:00:00.2Z",
        }
    ]
)
class Queries(TypedDict):
    """The queries that run or wait, the oldest first."""

    queries: list[Query]


@shown(cancelled="AEBQEAMZ6PYW4TJ5GK2ULQ3X7Y")
class Cancelled(TypedDict):
    """The query is interrupted, which takes at most a second."""

    cancelled: Annotated[str, Field(description="its id")]
