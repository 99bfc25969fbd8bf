"""Zones, averages and newest values."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic wants this one before Python 3.12

from pipeline.api.http.responses.common import (
    Dimensions,
    MeasureName,
    RecordName,
    Table,
    Time,
    ZoneIfAny,
    ZoneName,
    shown,
)

A_ZONE = {"zone": "gh-01/north", "table": "agriculture.readings", "sensors": 12, "last_time": "2026-11-23T10:00:00Z"}


class Zone(TypedDict):
    """A zone of a table."""

    zone: ZoneName
    table: Table
    sensors: Annotated[int, Field(description="how many distinct dimensions there are in it")]
    last_time: Annotated[Time, Field(description="the newest event time")]


@shown(zones=[A_ZONE])
class Zones(TypedDict):
    """The zones, by table and name."""

    zones: list[Zone]


_AVERAGES = {
    "zone": "gh-01/north",
    "measure": "temperature",
    "unit": "celsius",
    "bin": "5m",
    "averages": [{"time": "2026-11-23T10:00:00Z", "average": 21.43, "min": 20.9, "max": 22.1, "count": 240}],
}


class SensorSpread(TypedDict):
    """The spread over the sensors of a zone; the value of each is the mean of its rows in the bin."""

    count: Annotated[int, Field(description="of the sensors that have values", ge=1)]
    min: Annotated[float | None, Field(description="the least; null where it is not finite, as the following")]
    p10: Annotated[float | None, Field(description="a tenth is below")]
    p50: Annotated[float | None, Field(description="the median")]
    p90: Annotated[float | None, Field(description="a tenth is above")]
    max: Annotated[float | None, Field(description="the greatest")]


class Average(TypedDict):
    """The mean of the rows of one bin."""

    time: Annotated[Time, Field(description="where the bin begins; without bins, `from`")]
    average: Annotated[float | None, Field(description="the mean; null where it is not finite, as the following")]
    min: Annotated[float | None, Field(description="the least value")]
    max: Annotated[float | None, Field(description="the greatest value")]
    count: Annotated[int, Field(description="of the rows that have the measure", ge=1)]
    percentiles: NotRequired[Annotated[dict[str, float | None], Field(description="of the rows, by what was asked")]]
    sensors: NotRequired[SensorSpread]


@shown(**_AVERAGES)
class Averages(TypedDict):
    """The averages of a measure in a zone, in ascending time; bins without rows are left out."""

    zone: ZoneName
    measure: MeasureName
    unit: Annotated[str | None, Field(description="the configured one")]
    bin: Annotated[str | None, Field(description="as it was asked for; of auto the width that was chosen")]
    averages: list[Average]


@shown(results=[_AVERAGES])
class AveragesOfSeveral(TypedDict):
    """One result a zone and measure, in the order they were named first."""

    results: list[Averages]


_LATEST = {
    "table": "agriculture.readings",
    "zone": "gh-01/north",
    "dimensions": {"greenhouse": "gh-01", "zone": "north", "sensor": "s-00042"},
    "measure_name": "climate",
    "measure": "temperature",
    "unit": "celsius",
    "time": "2026-11-23T10:00:00Z",
    "value": 21.4,
}


class LatestValue(TypedDict):
    """The value of a measure in the newest row of a series that has it."""

    table: Table
    zone: ZoneIfAny
    dimensions: Dimensions
    measure_name: RecordName
    measure: MeasureName
    unit: Annotated[str | None, Field(description="the configured one")]
    time: Annotated[Time, Field(description="of the row")]
    value: Annotated[float | int | bool | str | None, Field(description="null where it is a number and not finite")]


@shown(latest=[_LATEST])
class Latest(TypedDict):
    """The last values, newest first."""

    latest: list[LatestValue]
