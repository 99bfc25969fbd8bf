"""`/v1/tables`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline.api.http.openapi import answers
from pipeline.api.http.responses import Tables
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/tables", tags=["tables"])


@router.get("", summary="The tables, by name", **answers(Tables, 504))
async def tables(parts: Annotated[Services, Depends(services)], asker: Annotated[Asker, Depends(asker)]) -> Tables:
    """Also those without rows. `/v1/measures` has their measures, `/v1/zones` their zones."""
    found = await parts.lists.run(asker, lambda: parts.directory.tables(asker.account), text="tables")
    return {
        "tables": [
            {
                "table": f"{table.database}.{table.table}",
                "series": table.series,
                "last_time": None if table.last_ns is None else rfc3339(table.last_ns),
                "memory_bytes": table.memory_bytes,
                "memory_bytes_per_value": _ratio(table.memory_bytes, table.memory_values),
                "magnetic_bytes": table.magnetic_bytes,
                "magnetic_bytes_per_value": _ratio(table.counted_bytes, table.counted_values),
            }
            for table in found
        ]
    }


def _ratio(size_bytes: int, values: int) -> float | None:
    return round(size_bytes / values, 2) if values else None
