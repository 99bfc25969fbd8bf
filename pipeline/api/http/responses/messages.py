"""Messages as they were sent and understood, and dead letters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic wants this one before Python 3.12

from pipeline.api.http.responses.common import (
    Dimensions,
    MqttTopic,
    Next,
    RecordName,
    Table,
    Time,
    ZoneIfAny,
    one_of,
    one_of_or_null,
    shown,
)
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.alterations import Alteration
from store.record import MeasureType


class ParsedValue(TypedDict):
    """The value of a measure."""

    value: Annotated[float | int | bool | str | None, Field(description="null where it is not finite")]
    type: Annotated[str, one_of(*MeasureType, description="of the measure")]


class ParsedRow(TypedDict):
    """A row that a message becomes."""

    table: Table
    zone: ZoneIfAny
    dimensions: Dimensions
    measure_name: RecordName
    time: Annotated[Time, Field(description="the event time")]
    measures: Annotated[dict[str, ParsedValue], Field(description="by name")]


class ParsedField(TypedDict):
    """How a field was altered, or left out."""

    field: Annotated[str, Field(description="of the payload, or of what is in it")]
    what: Annotated[str, one_of(*Alteration, description="what was done to it")]
    count: Annotated[int, Field(description="in how many readings", ge=1)]


_PARSED = {
    "rows": [
        {
            "table": "agriculture.readings",
            "zone": "gh-01/north",
            "dimensions": {"greenhouse": "gh-01", "zone": "north", "sensor": "s-00042"},
            "measure_name": "climate",
            "time": "2026-11-23T10:00:00Z",
            "measures": {"temperature": {"value": 21.4, "type": "double"}},
        }
    ],
    "reason": None,
    "detail": None,
    "altered": [],
}


class Understood(TypedDict):
    """What a message becomes: rows, or the reason why there are none."""

    rows: list[ParsedRow]
    reason: Annotated[str | None, one_of_or_null(*Reason, description="why it would be a dead letter")]
    detail: Annotated[str | None, Field(description="what was wrong")]
    altered: list[ParsedField]


@shown(**_PARSED)
class Parsed(Understood):
    """What a message would become."""


class Payload(TypedDict):
    """A payload, as text if it is UTF-8, else as base64."""

    payload: NotRequired[Annotated[str, Field(description="what the device sent")]]
    payload_base64: NotRequired[Annotated[str, Field(description="the same where it is not UTF-8")]]


class Message(Understood, Payload):
    """A message that has arrived, and what it becomes: of its rows the first 20, of its payload the first 16 KiB."""

    arrival: Annotated[Time, Field(description="at the gateway")]
    mqtt_topic: MqttTopic
    bytes: Annotated[int, Field(description="the size of the payload")]


@shown(
    messages=[
        {
            **_PARSED,
            "arrival": "2026-11-23T10:00:00.2Z",
            "mqtt_topic": "greenhouse/eu-west/gh-01/north/s-00042",
            "bytes": 42,
            "payload": '{"ts": 1795428000000, "temperature": 21.4}',
        }
    ],
    matched=1,
    unread_frames=0,
)
class LiveMessages(TypedDict):
    """An event `messages`: the newest since the event before, oldest first."""

    messages: list[Message]
    matched: Annotated[int, Field(description="how many messages matched, also those that are not listed")]
    unread_frames: Annotated[int, Field(description="how many frames of the log were not looked at: there were many")]


_LETTER = {
    "id": "7c1e:0:1042:3",
    "mqtt_topic": "greenhouse/eu-west/gh-01/north/s-00043",
    "reason": "invalid_json",
    "detail": "the payload is cut off",
    "arrival": "2026-11-23T09:58:12.5Z",
    "replayed": None,
    "payload": '{"temperature": 21.',
}


@shown(**_LETTER)
class DeadLetter(TypedDict):
    """A message that could not become a record; its payload as text where it is UTF-8, else as base64."""

    id: Annotated[str, Field(description="for a replay")]
    mqtt_topic: MqttTopic
    reason: Annotated[str, one_of(*Reason, description="why it is no record")]
    detail: Annotated[str, Field(description="what was wrong, the value, and what is allowed")]
    arrival: Annotated[Time, Field(description="when the message arrived")]
    replayed: Annotated[Time | None, Field(description="when it was replayed")]
    payload: NotRequired[Annotated[str, Field(description="as the device sent it")]]
    payload_base64: NotRequired[
        Annotated[str, Field(description="where it is not UTF-8", json_schema_extra={"contentEncoding": "base64"})]
    ]


@shown(dead_letters=[_LETTER], next=None)
class DeadLetters(TypedDict):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetter]
    next: Next


@shown(replayed=1000, more=True, up_to=5210)
class Replayed(TypedDict):
    """How many dead letters were put through the stream again."""

    replayed: Annotated[int, Field(description="how many, in this request")]
    more: Annotated[bool, Field(description="whether others of the reason are left")]
    up_to: Annotated[
        int | None, Field(description="for the next request, to take these alone; null where ids were named")
    ]
