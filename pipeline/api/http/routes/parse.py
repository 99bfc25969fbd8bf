"""`/v1/parse`: what a message would become. Nothing is stored."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import responses
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem, bad_parameter
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.showing import shown_understood
from pipeline.api.http.slots import Asker
from pipeline.api.http.times import time_ns
from pipeline.api.inventory.understanding import understood_by

router = APIRouter(prefix="/v1/parse", tags=["messages"])

MOST_TOPIC_BYTES = 65_535  # MQTT 1.5.4


class Message(BaseModel):
    """A message as a device would publish it: with `payload` or `payload_base64`."""

    model_config = ConfigDict(extra="forbid")

    mqtt_topic: str = Field(min_length=1, description="that the device would publish to")
    payload: Any = Field(default=None, description="a text as it is; anything else as JSON")
    payload_base64: str | None = Field(default=None, description="any bytes")
    arrival: str | None = Field(default=None, description="RFC 3339, or how long ago; now where absent")


@router.post("", summary="What a message would become; nothing is stored", **answers(responses.Parsed, *OF_BODIES, 504))
async def parse(
    parts: Annotated[Services, Depends(services)], asker: Annotated[Asker, Depends(asker)], body: Message
) -> responses.Understood:
    """By the same configuration and columns as of messages that arrive: the rows, or the reason why there are none."""
    payload = _payload(body)
    if {"+", "#", "\0"} & set(body.mqtt_topic) or len(body.mqtt_topic.encode()) > MOST_TOPIC_BYTES:
        allowed = f"an MQTT topic has no +, # or NUL, and at most {MOST_TOPIC_BYTES} bytes"
        raise bad_parameter("mqtt_topic", body.mqtt_topic, allowed)
    now_ns = parts.clock_ns()
    arrival_ns = now_ns if body.arrival is None else time_ns("arrival", body.arrival, now_ns)

    def answer() -> responses.Understood:
        with understood_by(parts.store, parts.routes, asker.account) as understand:
            return shown_understood(understand(body.mqtt_topic, payload, arrival_ns))

    return await parts.lists.run(asker, answer, text="parse")


def _payload(body: Message) -> bytes:
    """The bytes of the payload. Raises Problem."""
    if ("payload" in body.model_fields_set) == (body.payload_base64 is not None):
        raise Problem(400, "give either payload or payload_base64", parameter="payload")
    if body.payload_base64 is None:
        return body.payload.encode() if isinstance(body.payload, str) else orjson.dumps(body.payload)
    try:
        return base64.b64decode(body.payload_base64, validate=True)
    except binascii.Error as error:
        raise bad_parameter("payload_base64", body.payload_base64, f"base64 ({error})") from None
