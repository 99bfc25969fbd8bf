"""A running fleet: a sequence of batches of messages, which depends only on (fleet, seed, start).

No clock and no network: the publisher decides when. Time advances in slices of 50 ms; the readings of a slice are taken
together (numpy over its sensors) and are to be published when the slice ends, so no message is ahead of its own time.

Cost for 100,000 sensors, measured on a virtual machine of 2 cores: under 2 µs per message, mostly for formatting JSON.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from simulators.climate import MAX_STEP_S, Climate
from simulators.faults import FaultInjector
from simulators.fleet import MEASURES, Fleet, Measure
from simulators.labels import Label
from simulators.layout import lay_out
from simulators.weather import Floats, Weather
from store.values.times import NS_PER_MS

SLICE_S = 0.05
CLIMATE_STEP_S = 30.0
WARM_UP_S = 6 * 3600.0
# The range of the sensors: temperature °C, humidity %, CO2 ppm, soil moisture %.
RANGES = np.array([(-40.0, 85.0), (0.0, 100.0), (0.0, 5000.0), (0.0, 100.0)])


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Messages to publish at `due_ms` (event time): for each one the sensor's index in the site, and the payload."""

    due_ms: int
    sensors: list[int]
    payloads: list[bytes]


class Simulation:
    """One run of a fleet. Raises ValueError if the plan of faults names a sensor that the fleet does not have."""

    def __init__(self, fleet: Fleet, *, seed: int, start_ns: int) -> None:
        layout_rng, weather_rng, climate_rng, sensor_rng, fault_rng = (
            np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(seed).spawn(5)
        )
        self.site = lay_out(fleet, layout_rng)
        self.start_ms = start_ns // NS_PER_MS
        self.interval_s = fleet.interval_s
        measures = fleet.measures.as_tuple()
        self._faults = FaultInjector(fleet.faults, measures, self.site, self.start_ms, fault_rng)
        self._rng = sensor_rng
        n = len(self.site.names)
        self._offset = np.stack([sensor_rng.normal(0, measure.offset, n) for measure in measures])
        self._noise = np.array([[measure.noise] for measure in measures])
        self._quantum = np.array([[measure.quantum] for measure in measures])
        self._format = _payload_format(measures)
        self._slices = _slices(self.site.phase_s, fleet.interval_s)
        self._cycle, self._slice = 0, 0
        self._late: list[tuple[int, int, int, bytes]] = []
        self._late_count = 0
        self._inside = _Inside(
            Weather(fleet.outdoors, self.site.regions, weather_rng),
            Climate(self.site.region, climate_rng),
            self.start_ms / 1000,
        )

    @property
    def labels(self) -> list[Label]:
        """The labels of all faults so far; those of current faults still grow."""
        return self._faults.labels

    @property
    def next_due_ms(self) -> int:
        """When the next batch is due."""
        due_ms = self._slice_due_ms
        return min(due_ms, self._late[0][0]) if self._late else due_ms

    @property
    def _slice_due_ms(self) -> int:
        end_s = self._slices[self._slice].end_s
        return self.start_ms + round((self._cycle * self.interval_s + end_s) * 1000)

    def next_batch(self) -> Batch:
        """The next messages: those of a slice, or late ones that are due before it."""
        batch = Batch(self.next_due_ms, [], [])
        if batch.due_ms == self._slice_due_ms:
            part, cycle_s = self._slices[self._slice], self._cycle * self.interval_s
            self._slice += 1
            if self._slice == len(self._slices):
                self._cycle, self._slice = self._cycle + 1, 0
            self._measure(np.arange(part.first, part.last), cycle_s, batch)
        while self._late and self._late[0][0] <= batch.due_ms:
            self._publish_late(batch)
        return batch

    def rest(self) -> Batch:
        """The late messages that are still pending when the run ends; to be published at once."""
        batch = Batch(self._late[0][0] if self._late else self.start_ms, [], [])
        while self._late:
            self._publish_late(batch)
        return batch

    def _measure(self, sensors: np.ndarray[tuple[int], np.dtype[np.intp]], cycle_s: float, batch: Batch) -> None:
        time_ms = self.start_ms + np.floor((cycle_s + self.site.phase_s[sensors]) * 1000 + 1e-6).astype(np.int64)
        values = self._inside.at(float(time_ms[-1]) / 1000)[:, self.site.place[sensors]]
        values = values + self._offset[:, sensors] + self._noise * self._rng.standard_normal(values.shape)
        effects = self._faults.apply(sensors, time_ms, values)
        values = np.clip(values, RANGES[:, :1], RANGES[:, 1:])
        values = np.round(values / self._quantum) * self._quantum
        rows = zip((time_ms + effects.skew_ms).tolist(), *values.tolist(), strict=True)
        payloads = [self._format % row for row in rows]
        if effects.is_sent.all() and not effects.is_twice.any() and not effects.delay_ms.any():
            batch.sensors.extend(sensors.tolist())
            batch.payloads.extend(payloads)
            return
        for at, (sensor, payload) in enumerate(zip(sensors.tolist(), payloads, strict=True)):
            if delay_ms := int(effects.delay_ms[at]):
                self._late_count += 1  # keeps the order of equal due times
                heapq.heappush(self._late, (int(time_ms[at]) + delay_ms, self._late_count, sensor, payload))
                continue
            times = int(effects.is_sent[at]) + int(effects.is_twice[at])
            batch.sensors.extend([sensor] * times)
            batch.payloads.extend([payload] * times)

    def _publish_late(self, batch: Batch) -> None:
        _, _, sensor, payload = heapq.heappop(self._late)
        batch.sensors.append(sensor)
        batch.payloads.append(payload)


@dataclass(frozen=True, slots=True)
class _Slice:
    """A part of the interval, in which the sensors first … last - 1 measure; it ends `end_s` after its start."""

    first: int
    last: int
    end_s: float


def _slices(phase_s: Floats, interval_s: float) -> list[_Slice]:
    """The slices of an interval that have sensors: a small fleet with a long interval has few."""
    count = max(1, round(interval_s / SLICE_S))
    length_s = interval_s / count
    numbers = np.minimum((phase_s / length_s).astype(np.int64), count - 1)
    used, first = np.unique(numbers, return_index=True)
    last = [*first[1:].tolist(), len(phase_s)]
    return [
        _Slice(a, b, (number + 1) * length_s) for a, b, number in zip(first.tolist(), last, used.tolist(), strict=True)
    ]


class _Inside:
    """The climate of all places at any later time: advanced in steps, and interpolated linearly between them."""

    def __init__(self, weather: Weather, climate: Climate, start_s: float) -> None:
        self._weather, self._climate = weather, climate
        # Before the start, so that the state follows from the weather and not from the initial guess: after four of the
        # slowest time constants of the air, heat in closed houses, which is 82 minutes.
        self._time_s = start_s - WARM_UP_S
        while self._time_s < start_s:
            self._step(MAX_STEP_S)
        self._before = self._after = climate.measures()

    def at(self, time_s: float) -> Floats:
        """The four measures of every place, shape (4, places). Times may not decrease by more than a step."""
        while self._time_s < time_s:
            self._step(CLIMATE_STEP_S)
            self._before, self._after = self._after, self._climate.measures()
        ahead = max(0.0, min((self._time_s - time_s) / CLIMATE_STEP_S, 1.0))
        return self._after + (self._before - self._after) * ahead

    def _step(self, step_s: float) -> None:
        self._climate.advance(self._weather.advance(self._time_s, step_s), step_s)
        self._time_s += step_s


def _payload_format(measures: tuple[Measure, ...]) -> bytes:
    """The payload as a %-format: `{"ts": ms, "temperature": …}` with the decimals that each quantum needs."""
    fields = [f'"{name}": %.{_decimals(measure.quantum)}f' for name, measure in zip(MEASURES, measures, strict=True)]
    return ('{"ts": %d, ' + ", ".join(fields) + "}").encode()


def _decimals(quantum: float) -> int:
    return next((digits for digits in range(9) if round(quantum, digits) == quantum), 9)
