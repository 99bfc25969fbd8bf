"""What several routes show in the same form."""

from __future__ import annotations

from pipeline.api.http import responses
from pipeline.api.inventory.device import Device
from store.values.times import rfc3339


def shown_device(device: Device) -> responses.Device:
    """A device for clients."""
    return {
        "table": f"{device.database}.{device.table}",
        "zone": device.zone,
        "dimensions": dict(device.dimensions),
        "measure_name": device.measure_name,
        "last_time": rfc3339(device.last_ns),
    }
