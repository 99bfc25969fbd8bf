"""What /v1/live tells."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.alerts import A_TRANSITION, AlertTransition
from pipeline.api.http.responses.common import Table, Time, ZoneName, shown
from pipeline.api.http.responses.devices import A_DEVICE, Device
from pipeline.api.http.responses.zones import A_ZONE


class LiveMeasure(TypedDict):
    """The last values of a measure, of the sensors of a zone."""

    average: Annotated[float | None, Field(description="the mean; null where it is not finite, as the following")]
    min: Annotated[float | None, Field(description="the least value")]
    max: Annotated[float | None, Field(description="the greatest value")]
    count: Annotated[int, Field(description="of the values, one a series", ge=1)]


_LIVE_ZONE = {**A_ZONE, "measures": {"temperature": {"average": 21.43, "min": 20.9, "max": 22.1, "count": 12}}}


class LiveZone(TypedDict):
    """A zone as it is now."""

    table: Table
    zone: ZoneName
    sensors: Annotated[int, Field(description="how many distinct dimensions there are in it")]
    last_time: Annotated[Time, Field(description="the newest event time")]
    measures: Annotated[dict[str, LiveMeasure], Field(description="those with values that count, by name")]


@shown(zones=[_LIVE_ZONE])
class LiveZones(TypedDict):
    """An event `zones`: the zones that have changed, at first all."""

    zones: list[LiveZone]


@shown(series=240, records_per_second=48.0, devices=[A_DEVICE])
class LiveDevices(TypedDict):
    """An event `devices`: those heard last that have changed, at first all of them."""

    series: Annotated[int, Field(description="how many have rows, in the tables asked for")]
    records_per_second: Annotated[float | None, Field(description="of these tables; null where it is not known yet")]
    devices: list[Device]


@shown(transitions=[A_TRANSITION])
class LiveAlerts(TypedDict):
    """An event `alerts`: what happened to alerts."""

    transitions: list[AlertTransition]
