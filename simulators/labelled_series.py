"""Series of a simulated fleet with one labelled fault in half of them: what detectors are judged by.

Four measures of each sensor, one value a minute: the climate of the simulators (day and night, clouds, irrigation), the
offset, noise and resolution of each sensor. After half of the fourth day a series may have one of these faults:

    spike    one value, 8 to 20 sigma (sigma: of the sensor's noise)
    stuck    1 to 6 h the same value
    missing  0.5 to 6 h no value
    shift    2 to 12 h, 4 to 8 sigma
    drift    12 to 24 h, growing to 6 to 12 sigma
    noise    2 to 12 h, 3 times the noise
    shape    a day like the one before 6 h later, or with 30 to 60 % of its swing

They are made as one array of all minutes; a running simulation has the faults of `simulators.faults`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.climate import Climate
from simulators.fleet import Outdoors
from simulators.weather import Weather

DAY, HOUR = 1440, 60
WARM_UP_S = 6 * 3600
FEWEST_DAYS = 5
START_S = 1_780_012_800 // 86_400 * 86_400
SIGMA = np.array([0.08, 0.5, 5.0, 0.15])
OFFSET = np.array([0.2, 1.0, 15.0, 0.7])
QUANTUM = np.array([0.1, 0.1, 1.0, 0.1])
KINDS = ("spike", "stuck", "missing", "shift", "drift", "noise", "shape")
HOURS = {"stuck": (1, 6), "missing": (0.5, 6), "shift": (2, 12), "drift": (12, 24), "noise": (2, 12), "shape": (24, 24)}

Values = npt.NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class SeriesFault:
    """A fault of one series, in the minutes [begin, end)."""

    series: int
    kind: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSeries:
    """Values by minute and series, the group of each series (a measure in a place), and what is wrong."""

    values: Values
    group: npt.NDArray[np.intp]
    faults: list[SeriesFault]


def _climate(places: int, days: int, seed: int) -> Values:
    """What there is to be measured: shape (minutes, 4, places)."""
    weather = Weather(Outdoors(), 1, np.random.default_rng(seed))
    inside = Climate(np.zeros(places, np.intp), np.random.default_rng(seed + 1))
    found = np.empty((days * DAY, 4, places), np.float32)
    for minute in range(-WARM_UP_S // 60, days * DAY):
        if minute >= 0:
            found[minute] = inside.measures()
        inside.advance(weather.advance(START_S + minute * 60, 60), 60)
    return found


def labelled_series(sensors: int, places: int, days: int, seed: int) -> LabelledSeries:
    """Four series of each sensor, by measure; half of them have a fault. Raises ValueError for fewer than 5 days."""
    if days < FEWEST_DAYS:
        raise ValueError(f"days must be at least {FEWEST_DAYS}, is {days}: the first ones are for learning")
    rng = np.random.default_rng(seed)
    truth, place = _climate(places, days, seed), np.arange(sensors) * places // sensors
    measure, where = np.repeat(np.arange(4), sensors), np.tile(place, 4)
    values = np.empty((days * DAY, 4 * sensors), np.float32)
    for one in range(4 * sensors):
        offset = rng.normal(0, OFFSET[measure[one]])
        noise = rng.normal(0, SIGMA[measure[one]], days * DAY)
        values[:, one] = truth[:, measure[one], where[one]] + offset + noise
    faults = []
    for number, one in enumerate(rng.permutation(4 * sensors)[: 2 * sensors].tolist()):
        kind = KINDS[number % len(KINDS)]
        begin = int(rng.integers(int(3.5 * DAY), int((days - 1.1) * DAY)))
        end = begin + (round(rng.uniform(*HOURS[kind]) * HOUR) if kind in HOURS else 1)
        faults.append(SeriesFault(one, kind, begin, end))
        _spoil(values[:, one], truth[:, measure[one], where[one]], SIGMA[measure[one]], faults[-1], rng)
    np.round(values / QUANTUM[measure], out=values)
    values *= QUANTUM[measure].astype(np.float32)
    return LabelledSeries(values, measure * places + where, faults)


def _spoil(values: Values, truth: Values, sigma: float, fault: SeriesFault, rng: Rng) -> None:
    """Put a fault into the values of its series."""
    begin, end, sign = fault.begin, fault.end, rng.choice((-1.0, 1.0))
    size = end - begin
    match fault.kind:
        case "spike":
            values[begin] += sign * rng.uniform(8, 20) * sigma
        case "stuck":
            values[begin:end] = values[begin - 1]
        case "missing":
            values[begin:end] = np.nan
        case "shift":
            values[begin:end] += sign * rng.uniform(4, 8) * sigma
        case "drift":
            values[begin:end] += sign * rng.uniform(6, 12) * sigma * np.linspace(0, 1, size)
        case "noise":
            values[begin:end] += rng.normal(0, sigma * math.sqrt(8), size)
        case _ if sign > 0:
            values[begin:end] += rng.uniform(0.4, 0.7) * (truth[begin - DAY : begin].mean() - truth[begin:end])
        case _:
            values[begin:end] += truth[begin - 6 * HOUR : end - 6 * HOUR] - truth[begin:end]
