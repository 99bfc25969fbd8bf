"""`/v1/dimensions`: how many values and series each dimension has."""

from __future__ import annotations

import heapq
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline.api.http import responses
from pipeline.api.http.openapi import answers
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from pipeline.api.inventory.cardinality import DimensionValues

router = APIRouter(prefix="/v1/dimensions", tags=["series"])


@router.get("", summary="Dimensions, by the number of their values", **answers(responses.DimensionsFound, 504))
async def dimensions(
    parts: Annotated[Services, Depends(services)],
    asker: Annotated[Asker, Depends(asker)],
    table: Annotated[str | None, Query(description="only this database.table")] = None,
    dimension: Annotated[str | None, Query(description="only the dimension of this name")] = None,
    top: Annotated[int, Query(ge=0, le=1000, description="of each how many values, those with most series")] = 10,
) -> responses.DimensionsFound:
    """Of the series that have rows. The first dimension is the one that makes most of them."""

    def answer() -> responses.DimensionsFound:
        found = parts.directory.dimensions(asker.account, table)
        return {"dimensions": [_shown(of, top) for of in found if dimension in (None, of.dimension)]}

    return await parts.lists.run(asker, answer, text="dimensions")


def _shown(of: DimensionValues, top: int) -> responses.DimensionCounts:
    most = heapq.nsmallest(top, of.values.items(), key=lambda item: (-item[1], item[0]))
    return {
        "table": f"{of.database}.{of.table}",
        "dimension": of.dimension,
        "values": len(of.values),
        "series": of.series,
        "top": [{"value": value, "series": series} for value, series in most],
    }
