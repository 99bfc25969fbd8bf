"""What several responses have in common: names of things, and how a type is described in /openapi.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, with_config
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from store.record import MeasureType

T = TypeVar("T")


Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


Table = Annotated[str, Field(description="database.table")]


ZoneName = Annotated[str, Field(description="of the zone")]


ZoneIfAny = Annotated[str | None, Field(description="of the zone; null where the table has none")]


MeasureName = Annotated[str, Field(description="of the measure")]


RecordName = Annotated[str, Field(description="the measure name of its records")]


Dimensions = Annotated[dict[str, str], Field(description="name to value")]


MqttTopic = Annotated[str, Field(description="that the device published to")]


Next = Annotated[int | None, Field(description="what `before=` takes for the next page; null on the last")]


def one_of(*values: str | None, description: str | None = None) -> FieldInfo:
    """A field with one of these values."""
    of_values: FieldInfo = Field(description=description, json_schema_extra={"enum": list(values)})
    return of_values


def one_of_or_null(*values: str, description: str) -> FieldInfo:
    """The same, or null."""
    return one_of(*values, None, description=description)


def shown(**example: Any) -> Callable[[type[T]], type[T]]:
    """A decorator that adds an example to a response type."""
    return with_config(ConfigDict(json_schema_extra={"examples": [example]}))


@shown(id="0f6c1d2e9b7a4c35d81b66e2a94f03c7")
class Done(TypedDict):
    """It is in the log, and takes effect at once."""

    id: Annotated[str, Field(description="of what was made or changed")]


class Earlier(TypedDict):
    """The types and units that older rows of a measure have."""

    types: list[Annotated[str, one_of(*MeasureType, description="not the present one")]]
    units: Annotated[list[str], Field(description="that are not the present one")]
