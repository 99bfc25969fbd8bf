"""`/v1/devices`: who sent what, when last, what was rejected and why, and what was altered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.services import Services, asker, services, who
from pipeline.api.http.showing import shown_device
from pipeline.api.http.slots import Asker
from pipeline.api.inventory.rejected import RejectedMessages
from pipeline.config.roles import Role
from pipeline.log.forgetting import Forget as Forgetting
from pipeline.log.forgetting import encode_forget
from pipeline.log.topics import READINGS
from pipeline.stream.altered_fields import AlteredField
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/devices", tags=["devices"])
_ALL = 1 << 31


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
        rejected = parts.rejected(asker.account, limit)
        return {
            "devices": [shown_device(device) for device in parts.directory.devices(asker.account, table, zone, limit)],
            "rejected": [_rejected(found) for found in rejected.listed],
            "rejected_in_all": rejected.count,
            "altered": [
                _altered(found) for found in parts.altered(asker.account, limit) if table in (None, found.table_name)
            ],
        }

    return await parts.lists.run(asker, answer, text="devices")


class Forget(BaseModel):
    """Which devices were decommissioned: those with these dimensions, among others."""

    model_config = ConfigDict(extra="forbid")
    table: str = Field(description="database.table", pattern=r"^[^.]+\..+$")
    dimensions: dict[str, str] = Field(min_length=1)


@router.post(
    "/forget", summary="Devices that are not missed any more", **answers(responses.Forgotten, 403, 404, *OF_BODIES, 504)
)
async def forget(
    parts: Annotated[Services, Depends(services)],
    who: Annotated[Who, Depends(who)],
    asker: Annotated[Asker, Depends(asker)],
    body: Forget,
) -> responses.Forgotten:
    """Rules of the kind `missing` miss them again once they are heard; their rows stay. A firing alert resolves."""
    who.need(Role.WRITE, "forgetting devices")

    def count() -> int:
        found = parts.directory.devices(asker.account, body.table, None, _ALL)
        return sum(body.dimensions.items() <= dict(device.dimensions).items() for device in found)

    known = await parts.lists.run(asker, count, text="devices")
    if not known:
        raise Problem(404, f"no device of {body.table} has the dimensions {body.dimensions}", parameter="dimensions")
    database, _, table = body.table.partition(".")
    word = encode_forget(Forgetting(asker.account, database, table, body.dimensions, parts.stamps.take()))
    for partition in range(parts.appender.partitions_of(READINGS)):
        await parts.appender.append(READINGS, word, partition)
    return {"forgotten": known}


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
