"""`/v1/query`: SQL in Timestream's dialect."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import results
from pipeline.api.http.openapi import OF_BODIES, Responses, json_of, refusals
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.responses import QueryResult
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from store import sql

router = APIRouter(prefix="/v1/query", tags=["sql"])

TIMEOUT_S = 60.0
MAX_ROWS = 1_000_000
_COUNT = {"type": "integer"}
TRUNCATED = "streamgauge-truncated"  # the header of a truncated response: its number of rows

RESPONSES: Responses = {
    200: {
        "description": "The rows, in the format asked for",
        "headers": {TRUNCATED: {"description": "how many rows there are, if others were cut", "schema": _COUNT}},
        "content": {
            **json_of(QueryResult),
            "text/csv": {"schema": {"type": "string"}, "example": "n\n120000\n"},
            "application/vnd.apache.arrow.stream": {
                "schema": {"type": "string", "format": "binary", "description": "An Arrow IPC stream"}
            },
        },
    },
    **refusals(409, *OF_BODIES, 504),
}


class Ask(BaseModel):
    """A query and the format of its answer."""

    model_config = ConfigDict(extra="forbid")
    sql: str = Field(description="one statement, in Timestream's dialect")
    format: str = Field("json", description="json, csv or arrow")


@router.post("", summary="Ask in SQL", response_class=Response, responses=RESPONSES)
async def query(
    parts: Annotated[Services, Depends(services)], asker: Annotated[Asker, Depends(asker)], body: Ask
) -> Response:
    """JSON: `{"columns": [{"name", "type"}], "rows": [[…]], "truncated": false}`. At most 1,000,000 rows, 60 s."""
    if body.format not in results.FORMATS:
        raise bad_parameter("format", body.format, f"one of {', '.join(results.FORMATS)}")

    def answer() -> tuple[bytes, dict[str, str]]:
        found = sql.query(parts.store, asker.account, body.sql, now_ns=parts.clock_ns(), max_rows=MAX_ROWS)
        return results.encode(found, body.format), {TRUNCATED: str(len(found))} if found.truncated else {}

    content, headers = await parts.queries.run(asker, answer, timeout_s=TIMEOUT_S, text=body.sql)
    return Response(content, headers=headers, media_type=results.FORMATS[body.format])
