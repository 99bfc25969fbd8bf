"""One delivery to one receiver: an alert's event, or what a group of alerts is told."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson


class DeliveryState(enum.StrEnum):
    """The state of a delivery."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery.

    id               `<alert id>.<status>`; `<alert id>.firing.<number>` of what is told again; `<group id>.<number>`
    alert_id         the alert, or the group
    content          what is told, see `pipeline.alerting.receivers.payload`; the same in every attempt
    attempts         the number of attempts
    next_attempt_ns  the time from which it may be sent, while it is queued
    settled_ns       when it was delivered or given up
    error            the error of the last attempt, if it failed
    answer           what the receiver said to the last attempt, or what went wrong
    """

    seq: int
    id: str
    alert_id: str
    account: str
    receiver: str
    content: Mapping[str, Any]
    state: DeliveryState
    attempts: int
    queued_ns: int
    next_attempt_ns: int
    settled_ns: int | None
    error: str | None
    answer: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The delivery in a row of the archive."""
        fields = {name: value for name, value in row.items() if name != "checksum"}
        fields |= {"state": DeliveryState(row["state"]), "content": orjson.loads(row["content"])}
        return cls(**fields)
