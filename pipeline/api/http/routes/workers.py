"""`/v1/workers`: who reads which partitions of the log."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline.api.http import responses
from pipeline.api.http.openapi import answers
from pipeline.api.http.services import Services, account, services
from pipeline.log.topics import READINGS

router = APIRouter(prefix="/v1/workers", tags=["operations"])


@router.get("", summary="Workers, and the partitions that they own", **answers(responses.Workers))
async def workers(
    parts: Annotated[Services, Depends(services)], _: Annotated[str, Depends(account)]
) -> responses.Workers:
    """By address. With the embedded log there is one. A partition that nobody owns is not read at the moment."""
    owners = await asyncio.to_thread(parts.owners)
    owned: dict[str, list[int]] = {}
    for (topic, partition), worker in sorted(owners.items()):
        if topic == READINGS:
            owned.setdefault(worker, []).append(partition)
    return {
        "partitions": parts.log.partitions_of(READINGS),
        "workers": [{"worker": worker, "partitions": of} for worker, of in sorted(owned.items())],
    }
