"""`/v1/import`: rows of the past from another system."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.request_normalising import ARROW
from pipeline.api.http.services import Services, asker, services, who
from pipeline.api.http.slots import Asker
from pipeline.config.roles import Role
from store.catalog.schema import Column
from store.endpoint.errors import EndpointError
from store.record import TableId

router = APIRouter(prefix="/v1/import", tags=["import"])

Table = Annotated[str, Query(description="database.table", pattern=r"^[^.]+\..+$")]

_BODY = {"requestBody": {"required": True, "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}}}}


@router.get("", summary="The columns that an import meets", **answers(responses.ImportTarget, 504))
async def target(
    parts: Annotated[Services, Depends(services)], asker: Annotated[Asker, Depends(asker)], table: Table
) -> responses.ImportTarget:
    """Those of the table; none if it does not exist."""
    wanted = TableId(asker.account, *table.split(".", 1))

    def answer() -> responses.ImportTarget:
        found = parts.store.catalog.ensure(wanted)
        columns: tuple[Column, ...] = ()
        if found is not None:
            with parts.store.snapshot(wanted.account) as snapshot:
                snapshot.look_for_newest()
                columns = snapshot.schema(wanted.database, wanted.table).columns
        known = [column for column in columns if column.kind in {"dimension", "zone", "measure"}]
        return {
            "table": table,
            "exists": found is not None,
            "columns": [{"name": of.name, "kind": str(of.kind), "type": of.type.value} for of in known],
        }

    return await parts.lists.run(asker, answer, text="an import")


@router.post(
    "", summary="Store rows of the past", openapi_extra=_BODY, **answers(responses.Imported, 403, 404, *OF_BODIES)
)
async def import_rows(
    request: Request,
    parts: Annotated[Services, Depends(services)],
    who: Annotated[Who, Depends(who)],
    table: Table,
    create: Annotated[bool, Query(description="create the table if there is none")] = False,
) -> responses.Imported:
    """The body is an Arrow IPC stream of 1 to 1,000,000 rows. What a column is stands in the metadata of its field,
    `streamgauge.kind`: time, measure_name, version, dimension or measure; without it `time` and `measure_name` are
    known by their names, text is a dimension, and all else a measure.

    Rows are stored by the rules of WriteRecords: the same row again changes nothing. Rules do not see them.
    """
    who.need(Role.WRITE, "an import")
    body = await request.body()
    try:
        found = await parts.endpoint.import_rows(TableId(who.account, *table.split(".", 1)), body, create=create)
    except EndpointError as error:
        raise Problem(400, str(error), parameter="body") from error
    except TimeoutError as error:
        detail = "the rows were not applied in time; send them again: those that are stored are the same"
        raise Problem(503, detail, headers={"Retry-After": "1"}) from error
    return {
        "rows": found.rows,
        "new": found.new,
        "same": found.same,
        "replaced": found.replaced,
        "runs": [{"outcome": outcome, "rows": rows} for outcome, rows in found.runs],
        "rejected": [
            {"reason": reason, "count": len(rows), "rows": rows.tolist()} for reason, rows in found.rejected.items()
        ],
    }
