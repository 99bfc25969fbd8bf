"""`/v1/devices`: who sent what, when last, what was rejected and why, and what was altered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline.api.http import responses
from pipeline.api.http.openapi import answers
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from pipeline.api.inventory.directory import Device
from pipeline.api.inventory.rejected import RejectedMessages
from pipeline.stream.altered_fields import AlteredField
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/devices", tags=["devices"])


@router.get(
    "",
    summary="Devices, newest first, and which messages were rejected",
    **answers(responses.Devices, 504),
)
async def devices(
    parts: Annotated[Services, Depends(services)],
    asker: Annotated[Asker, Depends(asker)],
    table: Annotated[str | None, Query(description="only this database.table")] = None,
    zone: Annotated[str | None, Query(description="only this zone")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> responses.Devices:
    """A device is a series of a table: its dimensions and measure name.

    Rejected messages have no dimensions yet, so they are counted by MQTT topic and reason, over the dead letters kept.
    `altered` counts fields that were altered to store them, or left out, since this worker's start, by table and field.
    """

    def answer() -> responses.Devices:
        return {
            "devices": [_device(device) for device in parts.directory.devices(asker.account, table, zone, limit)],
            "rejected": [_rejected(rejected) for rejected in parts.rejected(asker.account, limit)],
            "altered": [
                _altered(found) for found in parts.altered(asker.account, limit) if table in (None, found.table_name)
            ],
        }

    return await parts.lists.run(asker, answer, text="devices")


def _device(device: Device) -> responses.Device:
    return {
        "table": f"{device.database}.{device.table}",
        "zone": device.zone,
        "dimensions": dict(device.dimensions),
        "measure_name": device.measure_name,
        "last_time": rfc3339(device.last_ns),
    }


def _rejected(rejected: RejectedMessages) -> responses.Rejected:
    return {
        "mqtt_topic": rejected.mqtt_topic,
        "reason": rejected.reason,
        "count": rejected.count,
        "last_arrival": rfc3339(rejected.last_arrival_ns),
        "detail": rejected.detail,
    }


def _altered(found: AlteredField) -> responses.Altered:
    return {
        "table": found.table_name,
        "field": found.field,
        "what": found.alteration.value,
        "count": found.count,
        "last_arrival": rfc3339(found.last_arrival_ns),
    }
