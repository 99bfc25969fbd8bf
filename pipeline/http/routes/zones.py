"""`/v1/zones`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from pipeline.http.services import Services, account, services
from rules.transition import rfc3339

router = APIRouter(prefix="/v1/zones", tags=["zones"])


@router.get("", summary="The zones, by table and name")
def zones(
    parts: Annotated[Services, Depends(services)],
    account: Annotated[str, Depends(account)],
    table: str | None = None,
) -> dict[str, Any]:
    """`sensors` counts the distinct dimensions in a zone; `last_time` is the newest event time."""
    return {
        "zones": [
            {
                "zone": found.zone,
                "table": f"{found.database}.{found.table}",
                "sensors": found.sensors,
                "last_time": rfc3339(found.last_ns),
            }
            for found in parts.directory.zones(account, table)
        ]
    }
