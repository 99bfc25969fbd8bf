"""What the inventory knows of a device."""

from __future__ import annotations

import msgspec

from store.record import Dimensions


class Device(msgspec.Struct, frozen=True, array_like=True):
    """A series, and its newest event time."""

    last_ns: int
    database: str
    table: str
    zone: str | None
    dimensions: Dimensions
    measure_name: str
