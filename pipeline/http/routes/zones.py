"""`/v1/zones`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from pipeline.http.services import Services, account, services
from rules.transition import rfc3339
from store.newness import NEVER_NS

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
            # A series whose first record is on its way from normalise to the store was not heard of yet.
            heard = [number for number in series if number < len(last_ns) and last_ns[number] != NEVER_NS]
            if heard:
                newest = rfc3339(max(last_ns[heard]))
                sensors = len({keys[number].dimensions for number in heard})
                found.append({"zone": zone, "table": name, "sensors": sensors, "last_time": newest})
    return {"zones": found}
