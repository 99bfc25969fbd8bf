"""`/v1/query`: SQL in Timestream's dialect."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import results
from pipeline.api.http.openapi import OF_BODIES, Responses, json_of, refusals
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.responses import QueryResult
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from pipeline.api.http.streaming import Parts, streamed
from store.processes.job import Job, answered_at_once, is_worth_trying_at_once
from store.sql import SqlRequest

router = APIRouter(prefix="/v1/query", tags=["sql"])

_COUNT = {"type": "integer"}
TRUNCATED = "streamgauge-truncated"  # the header of a truncated response: its number of rows
SCANNED = "streamgauge-scanned-bytes"  # the header of how much was read


def _binary(description: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "format": "binary", "description": description}}


RESPONSES: Responses = {
    200: {
        "description": "The rows, in the format asked for",
        "headers": {
            TRUNCATED: {"description": "how many rows there are, if others were cut", "schema": _COUNT},
            SCANNED: {
                "description": "of files and rows; absent: none was read",
                "schema": _COUNT,
            },
        },
        "content": {
            **json_of(QueryResult),
            "text/csv": {"schema": {"type": "string"}, "example": "n\n120000\n"},
            results.FORMATS["arrow"]: _binary("An Arrow IPC stream"),
            results.FORMATS["parquet"]: _binary("A Parquet file; of columns with the same name, the second is name_2"),
        },
    },
    **refusals(409, *OF_BODIES, 504),
}


class Ask(BaseModel):
    """A query and the format of its answer."""

    model_config = ConfigDict(extra="forbid")
    sql: str = Field(description="one statement, in Timestream's dialect")
    format: str = Field("json", description="json, csv, arrow or parquet")
    rows: int | None = Field(None, ge=1, description="at most this number of rows; `truncated` says if there were more")


@router.post("", summary="Ask in SQL", response_class=Response, responses=RESPONSES)
async def query(
    parts: Annotated[Services, Depends(services)], asker: Annotated[Asker, Depends(asker)], body: Ask
) -> Response:
    """JSON: `{"columns": [{"name", "type"}], "rows": [[…]], "truncated": false}`.

    Time, memory, rows and bytes are limited by `queries` in the configuration.
    """
    if body.format not in results.FORMATS:
        raise bad_parameter("format", body.format, f"one of {', '.join(results.FORMATS)}")
    most = parts.executor.limits.result_rows
    request = SqlRequest(body.sql, parts.clock_ns(), min(most, body.rows or most))
    job = Job(request, partial(results.parts, form=body.format))
    if is_worth_trying_at_once(body.sql):
        answered = partial(answered_at_once, parts.store, asker.account, job)
        found = await parts.lists.run(asker, answered, text=body.sql)  # it need not wait for long queries
        if found is not None:
            return Response(b"".join(found), media_type=results.FORMATS[body.format])

    def work(response: Parts) -> None:
        with parts.store.lender(asker.account) as lender, parts.executor.run(lender, job) as answer:
            response.headers[SCANNED] = str(answer.insights.scanned_bytes)
            if answer.truncated:
                response.headers[TRUNCATED] = str(answer.rows)
            response.put_all(answer.parts)

    def run(in_thread: Callable[[], None]) -> Coroutine[Any, Any, None]:
        return parts.queries.run(asker, in_thread, text=body.sql)

    return await streamed(run, work, results.FORMATS[body.format])
