"""Devices, series, and what was rejected of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.common import Dimensions, MqttTopic, RecordName, Table, Time, ZoneIfAny, one_of, shown
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.alterations import Alteration


@shown(forgotten=3)
class Forgotten(TypedDict):
    """Devices that are not missed any more."""

    forgotten: Annotated[int, Field(description="how many series these dimensions have")]


A_DEVICE = {
    "table": "agriculture.readings",
    "zone": "gh-01/north",
    "dimensions": {"region": "eu-west", "sensor": "s-00042"},
    "measure_name": "climate",
    "last_time": "2026-11-23T10:00:00Z",
}


class Device(TypedDict):
    """A series of a table: what sends it, and when last."""

    table: Table
    zone: ZoneIfAny
    dimensions: Dimensions
    measure_name: RecordName
    last_time: Annotated[Time, Field(description="the newest event time")]


class SeriesValue(TypedDict):
    """The newest value of a measure."""

    time: Annotated[Time, Field(description="of the row")]
    value: Annotated[float | int | bool | str | None, Field(description="null where it is not finite")]
    unit: Annotated[str | None, Field(description="the configured one")]


class Series(Device):
    """A series, with its last values."""

    values: Annotated[dict[str, SeriesValue], Field(description="by measure")]
    mqtt_topic: Annotated[
        str | None, Field(description="a filter for the MQTT topics of its device; null: the configuration has none")
    ]


@shown(
    series=[
        {
            **A_DEVICE,
            "values": {"temperature": {"time": "2026-11-23T10:00:00Z", "value": 21.4, "unit": "celsius"}},
            "mqtt_topic": "greenhouse/+/gh-01/north/s-00042",
        }
    ],
    matched=1,
    next=None,
)
class SeriesFound(TypedDict):
    """The series that match, by table and dimensions, in pages."""

    series: list[Series]
    matched: Annotated[int, Field(description="how many match, on all pages")]
    next: Annotated[str | None, Field(description="what `after=` takes for the next page; null on the last")]


class Rejected(TypedDict):
    """Messages of one MQTT topic that were rejected for one reason, among the dead letters kept."""

    mqtt_topic: MqttTopic
    reason: Annotated[str, one_of(*Reason, description="why")]
    count: Annotated[int, Field(description="how many there were")]
    last_arrival: Annotated[Time, Field(description="when the newest arrived")]
    detail: Annotated[str | None, Field(description="what was wrong with the last")]


class Altered(TypedDict):
    """A field of a table that was altered to store it, or left out, since this worker's start."""

    table: Table
    field: Annotated[str, Field(description="as the device names it")]
    what: Annotated[str, one_of(*Alteration, description="what happened to it")]
    count: Annotated[int, Field(description="how often")]
    last_arrival: Annotated[Time, Field(description="when the newest of these arrived")]


@shown(
    devices=[A_DEVICE],
    rejected=[
        {
            "mqtt_topic": "greenhouse/eu-west/gh-01/north/s-00043",
            "reason": "invalid_json",
            "count": 3,
            "last_arrival": "2026-11-23T09:58:12.5Z",
            "detail": "the payload is cut off",
        }
    ],
    rejected_in_all=3,
    altered=[
        {
            "table": "agriculture.readings",
            "field": "temperature",
            "what": "no_value",
            "count": 7,
            "last_arrival": "2026-11-23T09:59:01Z",
        }
    ],
)
class Devices(TypedDict):
    """Devices, newest first, and which messages were rejected and fields altered."""

    devices: list[Device]
    rejected: list[Rejected]
    rejected_in_all: Annotated[int, Field(description="messages of the account that are kept as dead letters")]
    altered: list[Altered]
