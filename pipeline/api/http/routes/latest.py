"""`/v1/latest`: the last value of each measure of each sensor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from pipeline.api.http import responses
from pipeline.api.http.openapi import answers
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from pipeline.api.http.times import time_ns
from pipeline.api.inventory.directory import Directory
from pipeline.api.inventory.latest import LatestRequest
from pipeline.base.errors import UnknownZone

router = APIRouter(prefix="/v1/latest", tags=["latest"])

TIMEOUT_S = 30.0
MAX_VALUES = 100_000  # of one response: about 20 MB


@router.get("", summary="The last values of sensors, newest first", **answers(responses.Latest, 404, 409, 504))
async def latest(
    parts: Annotated[Services, Depends(services)],
    asker: Annotated[Asker, Depends(asker)],
    zone: Annotated[list[str] | None, Query(description="only these zones")] = None,
    measure: Annotated[list[str] | None, Query(description="only these measures")] = None,
    dimension: Annotated[
        list[str] | None, Query(description="only series with this dimension, as in sensor=s-00042")
    ] = None,
    table: Annotated[str | None, Query(description="only this database.table")] = None,
    start: Annotated[str, Query(alias="from", description="RFC 3339, or how long ago: none is older")] = "1d",
    limit: Annotated[int, Query(ge=1, le=MAX_VALUES)] = 10_000,
) -> Response:
    """For each series and measure the value of the newest row that has the measure."""
    request = LatestRequest(
        asker.account,
        table,
        tuple(zone or ()),
        tuple(measure or ()),
        tuple(named(one) for one in dimension or ()),
        time_ns("from", start, parts.clock_ns()),
        limit,
    )

    def answer() -> bytes:
        found = parts.directory.latest(request)
        if not found.entries:
            _look_for_zones(parts.directory, request)
        return b'{"latest":[%b]}' % b",".join(found.entries)

    text = f"latest {', '.join(request.measures) or 'values'}"
    content = await parts.queries.run(asker, answer, timeout_s=TIMEOUT_S, text=text)
    return Response(content, media_type="application/json")


def named(dimension: str) -> tuple[str, str]:
    """The name and the value of a dimension. Raises Problem."""
    name, separator, value = dimension.partition("=")
    if not separator:
        raise bad_parameter("dimension", dimension, "a dimension is NAME=VALUE, as in sensor=s-00042")
    return name, value


def _look_for_zones(directory: Directory, request: LatestRequest) -> None:
    """Raises UnknownZone if one of the zones does not exist."""
    if request.zones:
        known = {found.zone for found in directory.zones(request.account, request.table)}
        for zone in request.zones:
            if zone not in known:
                raise UnknownZone(f"no zone {zone!r}; /v1/zones lists the zones")
