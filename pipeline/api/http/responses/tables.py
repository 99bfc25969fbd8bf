"""Tables, their dimensions and measures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.common import Earlier, MeasureName, Table, Time, one_of, shown
from store.record import MeasureType


class TableThereIs(TypedDict):
    """A table."""

    table: Table
    series: Annotated[int, Field(description="how many have rows: sets of dimensions, each with its measure name")]
    last_time: Annotated[Time | None, Field(description="the newest event time; null without rows")]
    memory_bytes: Annotated[int, Field(description="of its rows in RAM, about")]
    memory_bytes_per_value: Annotated[float | None, Field(description="of the memory tier; null without values")]
    magnetic_bytes: Annotated[int, Field(description="of its files")]
    magnetic_bytes_per_value: Annotated[float | None, Field(description="of files written since the start")]


@shown(
    tables=[
        {
            "table": "agriculture.readings",
            "series": 240,
            "last_time": "2026-11-23T10:00:00Z",
            "memory_bytes": 41_943_040,
            "memory_bytes_per_value": 5.1,
            "magnetic_bytes": 335_544_320,
            "magnetic_bytes_per_value": 1.83,
        }
    ]
)
class Tables(TypedDict):
    """The tables, by name."""

    tables: list[TableThereIs]


class ValueCount(TypedDict):
    """A value of a dimension."""

    value: Annotated[str, Field(description="of the dimension")]
    series: Annotated[int, Field(description="how many have it")]


class DimensionCounts(TypedDict):
    """A dimension of a table."""

    table: Table
    dimension: Annotated[str, Field(description="its name")]
    values: Annotated[int, Field(description="how many different ones there are")]
    series: Annotated[int, Field(description="how many have this dimension")]
    top: Annotated[list[ValueCount], Field(description="the values with most series")]


@shown(
    dimensions=[
        {
            "table": "agriculture.readings",
            "dimension": "zone",
            "values": 12,
            "series": 240,
            "top": [{"value": "north", "series": 40}],
        }
    ]
)
class DimensionsFound(TypedDict):
    """The dimensions of tables, those with most values first."""

    dimensions: list[DimensionCounts]


_MEASURE = {
    "table": "agriculture.readings",
    "measure": "temperature",
    "type": "double",
    "unit": "celsius",
    "since": "2026-11-20T08:00:00Z",
    "earlier": {"types": ["varchar"], "units": ["fahrenheit"]},
}


@shown(**_MEASURE)
class Measure(TypedDict):
    """A measure of a table: its type and unit, and what they were before."""

    table: Table
    measure: MeasureName
    type: Annotated[str, one_of(*MeasureType, description="the present one")]
    unit: Annotated[str | None, Field(description="null: none is known")]
    since: Annotated[Time | None, Field(description="when type or unit was changed; null: never")]
    earlier: Earlier


@shown(measures=[_MEASURE])
class Measures(TypedDict):
    """The measures, by table."""

    measures: list[Measure]
