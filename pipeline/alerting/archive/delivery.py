"""One delivery of an alert's event to one receiver, as it waits in the queue or was settled."""

from __future__ import annotations

import enum
import sqlite3
from dataclasses import dataclass
from typing import Self


class DeliveryState(enum.StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is posted: `id` is the webhook-id (`<alert id>.<status>`), `body` the JSON bytes, the same every attempt.

    attempts         how often it was tried
    next_attempt_ns  when it may be tried (again), while queued
    settled_ns       when it was delivered or given up
    error            of the last attempt, if it failed
    """

    seq: int
    id: str
    alert_id: str
    account: str
    receiver: str
    body: bytes
    state: DeliveryState
    attempts: int
    queued_ns: int
    next_attempt_ns: int
    settled_ns: int | None
    error: str | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The delivery in a row of the archive."""
        return cls(**{**dict(row), "state": DeliveryState(row["state"])})
