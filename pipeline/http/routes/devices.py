"""`/v1/devices`: who sent what, when last, and what was rejected and why."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query

from pipeline.http.services import Services, account, services
from rules.transition import rfc3339
from store.newness import NEVER_NS
from store.record import TableId

router = APIRouter(prefix="/v1/devices", tags=["devices"])


@router.get("", summary="Devices by when they were last heard of, newest first, and what of theirs was rejected")
def devices(
    parts: Annotated[Services, Depends(services)],
    account: Annotated[str, Depends(account)],
    table: Annotated[str | None, Query(description="only this database.table")] = None,
    zone: Annotated[str | None, Query(description="only this zone")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> dict[str, Any]:
    """A device is a series of a table: its dimensions and measure name.

    Rejected messages have no dimensions yet, so they are counted by MQTT topic and reason, over the dead letters kept.
    """
    found: list[tuple[int, TableId, int]] = []
    for info in parts.store.catalog.tables(account):
        if table in (None, f"{info.table.database}.{info.table.table}"):
            found += _newest(parts, info.table, zone, limit)
    found.sort(reverse=True)
    return {
        "devices": [_device(parts, *entry) for entry in found[:limit]],
        "rejected": [_rejected(parts, account, *entry) for entry in _rejections(parts, account)[:limit]],
    }


def _newest(parts: Services, table: TableId, zone: str | None, limit: int) -> list[tuple[int, TableId, int]]:
    """(last time, table, series) of the table's series heard of last, at most `limit`."""
    last_ns = parts.store.last_times(table)
    numbers = np.arange(len(last_ns))
    if zone is not None:
        in_zone = np.array(parts.zones.series_of(table, zone), np.intp)
        numbers = in_zone[in_zone < len(last_ns)]
    # A series whose first record is on its way from normalise to the store was not heard of yet.
    numbers = numbers[last_ns[numbers] != NEVER_NS]
    order = numbers[np.argsort(last_ns[numbers])[::-1][:limit]]
    return [(int(last_ns[number]), table, int(number)) for number in order]


def _device(parts: Services, last_ns: int, table: TableId, number: int) -> dict[str, Any]:
    index = parts.store.registry.of(table)
    key = index.keys[number]
    return {
        "table": f"{table.database}.{table.table}",
        "zone": index.zones[number],
        "dimensions": dict(key.dimensions),
        "measure_name": key.measure_name,
        "last_time": rfc3339(last_ns),
    }


def _rejections(parts: Services, account: str) -> list[tuple[int, str, str, int]]:
    """(last arrival, MQTT topic, reason, count), newest first."""
    rejected = parts.dead_letters.rejected(account=account)
    return sorted(((r.last_arrival_ns, r.mqtt_topic, r.reason.value, r.count) for r in rejected), reverse=True)


def _rejected(
    parts: Services, account: str, last_arrival_ns: int, mqtt_topic: str, reason: str, count: int
) -> dict[str, Any]:
    newest = parts.dead_letters.list(account=account, mqtt_topic=mqtt_topic, reason=reason, limit=1)
    return {
        "mqtt_topic": mqtt_topic,
        "reason": reason,
        "count": count,
        "last_arrival": rfc3339(last_arrival_ns),
        "detail": newest[0].letter.detail if newest else None,
    }
