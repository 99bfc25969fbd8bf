"""Devices that must be heard at all: those of a rule of the kind `missing` that it expects, by their dimensions."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rules.silence.hearing import Hearing
from rules.values.arrays import NEVER, Indices, grown
from store.record import Dimensions, SeriesIndex, SeriesKey

MEASURE_NAME = "expected"
"""Of the key of such a device, which has no series."""


class Heard(enum.IntEnum):
    """Whether a device was heard while its rule was there."""

    NOT_YET = 0
    MISSING = 1
    YES = 2


class Expected:
    """The devices of one rule over one table. A series is of a device if it has all its dimensions."""

    def __init__(self, devices: Sequence[Dimensions], index: SeriesIndex) -> None:
        self.devices = devices
        self.state: npt.NDArray[np.int8] = np.zeros(len(devices), np.int8)
        self._index = index
        self._of_series: Indices = np.empty(0, np.intp)  # -1: none
        self._size = 0
        self._by_names: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
        for number, device in enumerate(devices):
            names, values = tuple(name for name, _ in device), tuple(value for _, value in device)
            self._by_names.setdefault(names, {})[values] = number

    def grow(self, size: int) -> None:
        """Find the devices of the series below `size`, all of which are in the index."""
        if not self.devices or size <= self._size:
            return
        self._of_series = grown(self._of_series, size, -1)
        for series in range(self._size, size):
            self._of_series[series] = self._device_of(self._index.keys[series])
        self._size = size

    def key(self, device: int) -> SeriesKey:
        """What an alert about it is about."""
        return SeriesKey(self.devices[device], MEASURE_NAME)

    def hear(self, series: Indices) -> list[tuple[int, int]]:
        """Those that were missing and are heard: the place in `series`, and the device."""
        if not self.devices or not (self.state == Heard.MISSING).any():
            return []
        device = self._of_series[series]
        found = []
        for place in np.flatnonzero((device >= 0) & (self.state[device] == Heard.MISSING)).tolist():
            one = int(device[place])
            if self.state[one] == Heard.MISSING:
                self.state[one] = Heard.YES
                found.append((place, one))
        return found

    def fall_due(self, hearing: Hearing) -> list[int]:
        """Those that are missing from now on: their deadline is due, and they were not heard."""
        if not self.devices or not (self.state == Heard.NOT_YET).any():
            return []
        known = np.flatnonzero(self._of_series[: self._size] >= 0)
        heard = self._of_series[known[hearing.time_ns[known] != NEVER]]
        self.state[heard[self.state[heard] == Heard.NOT_YET]] = Heard.YES
        due = np.flatnonzero(self.state == Heard.NOT_YET)
        self.state[due] = Heard.MISSING
        return [int(device) for device in due]

    def missing(self) -> list[int]:
        """The devices that are missing."""
        return [int(device) for device in np.flatnonzero(self.state == Heard.MISSING)]

    def _device_of(self, key: SeriesKey) -> int:
        dimensions = dict(key.dimensions)
        for names, devices in self._by_names.items():
            values = tuple(dimensions.get(name, "") for name in names)
            if values in devices:
                return devices[values]
        return -1
