"""`/v1/zones`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline.api.http.openapi import answers
from pipeline.api.http.responses import Zones
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/zones", tags=["zones"])


@router.get("", summary="The zones, by table and name", **answers(Zones, 504))
async def zones(
    parts: Annotated[Services, Depends(services)],
    asker: Annotated[Asker, Depends(asker)],
    table: str | None = None,
) -> Zones:
    """`sensors` counts the distinct dimensions in a zone; `last_time` is the newest event time."""
    found = await parts.lists.run(asker, lambda: parts.directory.zones(asker.account, table), text="zones")
    return {
        "zones": [
            {
                "zone": zone.zone,
                "table": f"{zone.database}.{zone.table}",
                "sensors": zone.sensors,
                "last_time": rfc3339(zone.last_ns),
            }
            for zone in found
        ]
    }
