"""PUBLISH packets of a whole batch at once: templates with every field at a fixed column, patched by numpy.

Names and numbers have a fixed width, so all packets of a run have the same length. The content of a message is a
function of its number, its sensor and its time, so only these are kept to send it again, and a checker can compute it
too:

    h = number * 2654435761 mod 2^32
    temperature   = (1800 + sensor % 400 + h % 100) / 100
    humidity      = (5500 + sensor % 700 + (h >> 8) % 300) / 100
    co2           = 450 + sensor % 200 + (h >> 16) % 50
    soil_moisture = (300 + sensor % 60 + (h >> 20) % 20) / 10
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from simulators import packets

Bytes2: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]

REGIONS = 30
GREENHOUSES = 10  # in each region
ZONES = 4  # in each greenhouse
FIRST_ID = 1_000_000_000  # ten digits, like all later ones
HOT_C = 45.0
_PAYLOAD = '{"ts":%(ts)s,"temperature":%(temperature)s,"humidity":%(humidity)s,"co2":%(co2)s,"soil_moisture":%(soil)s'
_BLANKS = {"ts": "0" * 13, "temperature": "00.00", "humidity": "00.01", "co2": "000", "soil": "00.0"}

_DIGITS = np.array([list(b"%04d" % number) for number in range(10_000)], dtype=np.uint8)
_HUNDREDTHS = np.array([list(b"%05.2f" % (number / 100)) for number in range(10_000)], dtype=np.uint8)
_TENTHS = np.array([list(b"%04.1f" % (number / 10)) for number in range(1000)], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is published: the number of sensors and tables, with ids or without.

    prefix  first level of the MQTT topic; with several tables `-00`, `-01` … is appended
    hot     ratio of messages whose temperature is `HOT_C`
    """

    sensors: int
    tables: int = 1
    prefix: str = "greenhouse"
    has_ids: bool = False
    first_id: int = FIRST_ID
    hot: float = 0.0

    def templates(self) -> list[str]:
        """The MQTT topic template of each table."""
        names = [self.prefix] if self.tables == 1 else [f"{self.prefix}-{table:02}" for table in range(self.tables)]
        return [name + "/{region}/{greenhouse}/{zone}/{sensor}" for name in names]

    def topic(self, sensor: int) -> str:
        """The MQTT topic of a sensor. Its region is sensor % 30, so each of ten accounts has its own regions."""
        region, rest = sensor % REGIONS, sensor // REGIONS
        table, rest = rest % self.tables, rest // self.tables
        zone, greenhouse = rest % ZONES, region * GREENHOUSES + rest // ZONES % GREENHOUSES
        return (
            self.templates()[table]
            .replace("{region}", f"region-{region:02}")
            .replace("{greenhouse}", f"gh-{greenhouse:03}")
            .replace("{zone}", f"zone-{zone}")
            .replace("{sensor}", f"s-{sensor:06}")
        )


class Messages:
    """The packets of a run's messages."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        body = (_PAYLOAD % _BLANKS + (f',"id":{FIRST_ID}' if shape.has_ids else "") + "}").encode()
        rows = []
        for sensor in range(shape.sensors):
            topic = packets.string(shape.topic(sensor))
            rows.append(packets.publish(topic, b"\0\0", body, qos=1, properties=b""))
        self.size_bytes, self.payload_bytes = len(rows[0]), len(body)
        self._templates = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(shape.sensors, self.size_bytes)
        start = self.size_bytes - len(body)
        self._packet_id = start - 2
        self._ts = start + body.index(b"0" * 13)
        self._temperature = start + body.index(b"00.00")
        self._humidity = start + body.index(b"00.01")
        self._co2 = start + body.index(b'"co2":') + 6
        self._soil = start + body.index(b'"soil_moisture":') + 16
        self._id = start + body.index(b'"id":') + 5 if shape.has_ids else None

    def packets(self, number: Ints, sensor: Ints, ts_ms: Ints, packet_id: Ints) -> Bytes2:
        """The packets as rows of bytes. All arrays have one length; `number` counts messages from 0."""
        out = self._templates[sensor]
        out[:, self._packet_id] = packet_id >> 8
        out[:, self._packet_id + 1] = packet_id & 0xFF
        self._put(out, self._ts, ts_ms, 13)
        h = (number * 2_654_435_761) & 0xFFFF_FFFF
        temperature = 1800 + sensor % 400 + h % 100
        if self._shape.hot:
            temperature = np.where(self.is_hot(number), round(HOT_C * 100), temperature)
        out[:, self._temperature : self._temperature + 5] = _HUNDREDTHS[temperature]
        out[:, self._humidity : self._humidity + 5] = _HUNDREDTHS[5500 + sensor % 700 + (h >> 8) % 300]
        out[:, self._co2 : self._co2 + 3] = _DIGITS[450 + sensor % 200 + (h >> 16) % 50, 1:]
        out[:, self._soil : self._soil + 4] = _TENTHS[300 + sensor % 60 + (h >> 20) % 20]
        if self._id is not None:
            self._put(out, self._id, self._shape.first_id + number, 10)
        return out

    def is_hot(self, number: Ints) -> npt.NDArray[np.bool_]:
        """Which messages have the temperature `HOT_C`; spread evenly by another multiplier than the values."""
        return np.asarray((number * 2_246_822_519) & 0xFFFF_FFFF < round(self._shape.hot * 2**32))

    @staticmethod
    def _put(out: Bytes2, column: int, numbers: Ints, width: int) -> None:
        """Write numbers of exactly `width` digits, four at a time from the right."""
        end = column + width
        while end > column:
            start = max(end - 4, column)
            numbers, low = np.divmod(numbers, 10_000)
            out[:, start:end] = _DIGITS[low, 4 - (end - start) :]
            end = start
