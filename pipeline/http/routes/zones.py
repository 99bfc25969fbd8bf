"""`/v1/zones`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from pipeline.http.services import Services, account, services
from pipeline.http.times import rfc3339

router = APIRouter(prefix="/v1/zones", tags=["zones"])


@router.get("", summary="The zones, by table and name")
def zones(
    parts: Annotated[Services, Depends(services)],
    account: Annotated[str, Depends(account)],
    table: str | None = None,
) -> dict[str, Any]:
    """`sensors` counts the distinct dimensions in a zone; `last_time` is the newest event time."""
    found = []
    for info in parts.store.catalog.tables(account):
        name = f"{info.table.database}.{info.table.table}"
        if table not in (None, name):
            continue
        keys = parts.store.registry.of(info.table).keys
        last_ns = parts.store.last_times(info.table)
        for zone, series in sorted(parts.zones.of_table(info.table).items()):
            newest = max((int(last_ns[number]) for number in series if number < len(last_ns)), default=-1)
            if newest < 0:  # met by normalise, and no record is in the store yet
                continue
            found.append(
                {
                    "zone": zone,
                    "table": name,
                    "sensors": len({keys[number].dimensions for number in series}),
                    "last_time": rfc3339(newest),
                }
            )
    return {"zones": found}
