"""`/v1/devices`: who sent what, when last, and what was rejected and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from pipeline.directory.directory import Device
from pipeline.http.services import Services, account, services
from rules.transition import rfc3339

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
    return {
        "devices": [_device(device) for device in parts.directory.devices(account, table, zone, limit)],
        "rejected": [_rejected(parts, account, *entry) for entry in _rejections(parts, account)[:limit]],
    }


def _device(device: Device) -> dict[str, Any]:
    return {
        "table": f"{device.database}.{device.table}",
        "zone": device.zone,
        "dimensions": dict(device.dimensions),
        "measure_name": device.measure_name,
        "last_time": rfc3339(device.last_ns),
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
