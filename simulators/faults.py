"""Injects faults into readings, and labels them.

A sensor has at most one fault at a time. Faults are planned (at a time after the start) or random (a probability per
message and kind); both begin at a reading and last until a time. Healthy messages cost a few numpy calls per batch;
faulty ones are rare, and processed one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.fleet import MEASURES, SINGLE_KINDS, VALUE_KINDS, FaultKind, Faults, Measure
from simulators.labels import Label
from simulators.layout import Site
from simulators.weather import Floats

KINDS = tuple(FaultKind)
HEALTHY = -1
# The size of a random fault, in units of its measure's `fault_scale`; each is multiplied by 0.7 to 1.5.
SCALES = {FaultKind.SPIKE: 10.0, FaultKind.DRIFT: 5.0, FaultKind.STEP: 5.0, FaultKind.NOISE: 3.0}
LATE_S = 60.0  # a random delay is 0.1 to 2 of it
SKEW_S = 30.0  # a random skew is 0.7 to 1.5 of it, either way


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """The effects of faults on the messages of one batch: arrays over its messages."""

    is_sent: npt.NDArray[np.bool_]
    is_twice: npt.NDArray[np.bool_]
    delay_ms: npt.NDArray[np.int64]
    skew_ms: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Onset:
    """One fault of the plan, for one sensor, once."""

    time_ms: int
    sensor: int
    kind: FaultKind
    measure: int
    lasts_ms: int
    magnitude: float | None


class FaultInjector:
    """The faults of one fleet; `apply` is called for each batch in order of time. Labels are added to `labels`."""

    def __init__(
        self, faults: Faults, measures: tuple[Measure, ...], site: Site, start_ms: int, rng: np.random.Generator
    ) -> None:
        n = len(site.names)
        self.labels: list[Label] = []
        self._site, self._measures, self._rng = site, measures, rng
        self._rates = [(kind, faults.rates[kind]) for kind in KINDS if faults.rates.get(kind)]
        self._episode_ms = faults.episode_s * 1000
        self._plan = _Plan(faults, site, start_ms)
        self._kind = np.full(n, HEALTHY, dtype=np.int8)
        self._measure = np.zeros(n, dtype=np.intp)
        self._begin_ms = np.zeros(n, dtype=np.int64)
        self._end_ms = np.zeros(n, dtype=np.int64)
        self._magnitude = np.zeros(n)
        self._held = np.zeros(n)  # a stuck sensor's value
        self._label: dict[int, Label] = {}

    def apply(self, sensors: npt.NDArray[np.intp], time_ms: npt.NDArray[np.int64], values: Floats) -> Effects:
        """Change `values`, shape (4, messages), in place; returns the effects on the messages. Sensors are distinct."""
        self._end(sensors, time_ms)
        self._begin_planned(sensors, time_ms, values)
        self._begin_random(sensors, time_ms, values)
        n = len(sensors)
        effects = Effects(
            np.ones(n, dtype=bool), np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        )
        for at in np.flatnonzero(self._kind[sensors] != HEALTHY).tolist():
            self._affect(at, int(sensors[at]), int(time_ms[at]), values, effects)
        return effects

    def _end(self, sensors: npt.NDArray[np.intp], time_ms: npt.NDArray[np.int64]) -> None:
        over = sensors[(self._kind[sensors] != HEALTHY) & (time_ms >= self._end_ms[sensors])]
        self._kind[over] = HEALTHY

    def _begin_planned(self, sensors: npt.NDArray[np.intp], time_ms: npt.NDArray[np.int64], values: Floats) -> None:
        if not self._plan.sensors:
            return
        for at, sensor in enumerate(sensors.tolist()):
            if sensor in self._plan.sensors and (onset := self._plan.due(sensor, int(time_ms[at]))):
                self._begin(at, onset, int(time_ms[at]), values)

    def _begin_random(self, sensors: npt.NDArray[np.intp], time_ms: npt.NDArray[np.int64], values: Floats) -> None:
        for kind, rate in self._rates:
            for at in np.flatnonzero(self._rng.random(len(sensors)) < rate).tolist():
                sensor, now_ms = int(sensors[at]), int(time_ms[at])
                measure = int(self._rng.integers(len(MEASURES)))
                lasts_ms = 1 if kind in SINGLE_KINDS else int(self._episode_ms * self._rng.uniform(0.5, 1.5))
                if self._kind[sensor] == HEALTHY:
                    self._begin(at, Onset(now_ms, sensor, kind, measure, lasts_ms, None), now_ms, values)

    def _begin(self, at: int, onset: Onset, now_ms: int, values: Floats) -> None:
        sensor = onset.sensor
        magnitude = self._magnitude_of(onset) if onset.magnitude is None else onset.magnitude
        self._kind[sensor] = KINDS.index(onset.kind)
        self._measure[sensor] = onset.measure
        self._begin_ms[sensor], self._end_ms[sensor] = now_ms, max(onset.time_ms + onset.lasts_ms, now_ms + 1)
        self._magnitude[sensor], self._held[sensor] = magnitude, values[onset.measure, at]
        measure = MEASURES[onset.measure] if onset.kind in VALUE_KINDS else ""
        name, topic = self._site.names[sensor], self._site.mqtt_topics[sensor]
        self._label[sensor] = Label(name, topic, measure, onset.kind, now_ms, now_ms, magnitude)
        self.labels.append(self._label[sensor])

    def _magnitude_of(self, onset: Onset) -> float:
        size, sign = self._rng.uniform(0.7, 1.5), self._rng.choice((-1.0, 1.0))
        if onset.kind in SCALES:
            sign = 1.0 if onset.kind is FaultKind.NOISE else sign
            return float(sign * size * SCALES[onset.kind] * self._measures[onset.measure].fault_scale)
        if onset.kind is FaultKind.LATE:
            return float(round(LATE_S * self._rng.uniform(0.1, 2.0), 3))
        if onset.kind is FaultKind.CLOCK_SKEW:
            return float(round(sign * size * SKEW_S, 3))
        return 1.0 if onset.kind is FaultKind.DUPLICATE else 0.0

    def _affect(self, at: int, sensor: int, now_ms: int, values: Floats, effects: Effects) -> None:
        """One faulty message; in a loop, because faults are rare: a thousandth of the messages at usual rates."""
        kind, measure, magnitude = KINDS[self._kind[sensor]], self._measure[sensor], self._magnitude[sensor]
        shift_ms = 0
        match kind:
            case FaultKind.SPIKE | FaultKind.STEP:
                values[measure, at] += magnitude
            case FaultKind.STUCK:
                values[measure, at] = self._held[sensor]
            case FaultKind.DRIFT:
                lasted = (now_ms - self._begin_ms[sensor]) / (self._end_ms[sensor] - self._begin_ms[sensor])
                values[measure, at] += magnitude * lasted
            case FaultKind.NOISE:
                values[measure, at] += self._rng.normal(0, magnitude)
            case FaultKind.DROPOUT:
                effects.is_sent[at] = False
            case FaultKind.LATE:
                effects.delay_ms[at] = round(magnitude * 1000)
            case FaultKind.DUPLICATE:
                effects.is_twice[at] = True
            case FaultKind.CLOCK_SKEW:
                shift_ms = effects.skew_ms[at] = round(magnitude * 1000)
        label = self._label[sensor]
        if label.first_ms == self._begin_ms[sensor]:
            label.first_ms += shift_ms
        label.last_ms = now_ms + shift_ms


class _Plan:
    """The plan as onsets per sensor; a fault with `every` schedules its own repetition."""

    def __init__(self, faults: Faults, site: Site, start_ms: int) -> None:
        number = {name: index for index, name in enumerate(site.names)}
        self._onsets: dict[int, list[tuple[Onset, int | None]]] = {}
        for fault in faults.plan:
            for name in fault.sensors:
                if name not in number:
                    raise ValueError(f'there is no sensor "{name}"; they are {min(site.names)} to {max(site.names)}')
                onset = Onset(
                    start_ms + round(fault.begins_s * 1000),
                    number[name],
                    fault.kind,
                    MEASURES.index(fault.measure) if fault.measure else 0,
                    1 if fault.kind in SINGLE_KINDS else round(fault.lasts_s * 1000),
                    fault.magnitude,
                )
                every_ms = round(fault.every_s * 1000) if fault.every_s else None
                self._onsets.setdefault(number[name], []).append((onset, every_ms))
        self.sensors = frozenset(self._onsets)

    def due(self, sensor: int, now_ms: int) -> Onset | None:
        """The onset of this sensor that is due, if any; of several, the first in the file."""
        for index, (onset, every_ms) in enumerate(self._onsets[sensor]):
            if onset.time_ms > now_ms:
                continue
            if every_ms is None:
                del self._onsets[sensor][index]
            else:
                again_ms = onset.time_ms + every_ms * ((now_ms - onset.time_ms) // every_ms + 1)
                later = Onset(again_ms, sensor, onset.kind, onset.measure, onset.lasts_ms, onset.magnitude)
                self._onsets[sensor][index] = (later, every_ms)
            return onset
        return None
