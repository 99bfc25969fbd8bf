"""What sold devices and their software publish, as their documents have it, becomes the rows that are expected of it.

`sold_devices.json`: by device the MQTT topic, the payload, what the table says beside its topics, and the rows.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from normalise_frames import STREAM, frame, rows

from pipeline.config.tables import Table
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import routes_from
from store.record import SeriesRegistry

ARRIVAL_NS = 1_795_466_530_000_000_000
DEVICES = json.loads(Path(__file__).with_name("sold_devices.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device["device"])
@pytest.mark.parametrize("is_known", [False, True])
def test_what_a_sold_device_publishes_becomes_its_rows(device: Any, is_known: bool) -> None:
    (route,) = routes_from([Table(name="default.readings", topics="#", **device.get("table", {}))])
    normaliser = Normaliser([route], SeriesRegistry(), STREAM)
    message = ("default", device["mqtt_topic"], device["payload"].encode())
    for offset in range(2 if is_known else 0):
        normaliser.normalise(frame(message, arrival_ns=ARRIVAL_NS - 1), offset)

    normalised = normaliser.normalise(frame(message, arrival_ns=ARRIVAL_NS), 2)

    found = [row for batch in normalised.batches for row in rows(batch)]
    assert [row["measures"] for row in found] == [row["measures"] for row in device["rows"]]
    for row, expected in zip(found, device["rows"], strict=True):
        assert row["time_ns"] == expected.get("time_ns", ARRIVAL_NS)
        assert expected.get("dimensions", {}).items() <= row["dimensions"].items()
    assert [letter.reason for letter in normalised.dead_letters] == ([device["dead"]] if "dead" in device else [])
