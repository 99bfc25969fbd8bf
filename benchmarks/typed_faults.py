"""What `auto` finds of seven kinds of faults, at how many false alerts: a simulated fleet with labels.

    .venv/bin/python benchmarks/typed_faults.py [--sensors 1250] [--days 10] [--seed 1] [--alone] [--budget 1]

Four measures of each sensor, one value a minute: the climate of the simulators (day and night, clouds, irrigation), the
offset, noise and resolution of each sensor. Half of the series have one fault, after the third day:

    spike    one value, 8 to 20 sigma (sigma: of the sensor's noise)
    stuck    1 to 6 h the same value
    missing  0.5 to 6 h no value
    shift    2 to 12 h, 4 to 8 sigma
    drift    12 to 24 h, growing to 6 to 12 sigma
    noise    2 to 12 h, 3 times the noise
    shape    a day like the one before 6 h later, or with 30 to 60 % of its swing

A fault is found if an alert begins within it. False alerts are those of series without a fault, an hour apart, after
the first day, which is for learning. The threshold on p follows from the budget: so many alerts per 1000 series and
day, of 1440 values a day. `--alone` judges each series without its peers. CPU time is that of the detectors.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules.detectors.auto import FEATURES, Auto
from simulators.climate import Climate
from simulators.fleet import Outdoors
from simulators.weather import Weather

DAY, HOUR = 1440, 60
WARM_UP_S = 6 * 3600
START_S = 1_780_012_800 // 86_400 * 86_400
SIGMA = np.array([0.08, 0.5, 5.0, 0.15])
OFFSET = np.array([0.2, 1.0, 15.0, 0.7])
QUANTUM = np.array([0.1, 0.1, 1.0, 0.1])
KINDS = ("spike", "stuck", "missing", "shift", "drift", "noise", "shape")
HOURS = {"stuck": (1, 6), "missing": (0.5, 6), "shift": (2, 12), "drift": (12, 24), "noise": (2, 12), "shape": (24, 24)}
LATE = 3  # minutes after a spike that still count
APART = 60

Values = npt.NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one series, in the minutes [begin, end)."""

    series: int
    kind: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Values by minute and series, the group of each series (a measure in a place), and what is wrong."""

    values: Values
    group: npt.NDArray[np.intp]
    faults: list[Fault]


def climate(places: int, days: int, seed: int) -> Values:
    """What there is to be measured: shape (minutes, 4, places)."""
    weather = Weather(Outdoors(), 1, np.random.default_rng(seed))
    inside = Climate(np.zeros(places, np.intp), np.random.default_rng(seed + 1))
    found = np.empty((days * DAY, 4, places), np.float32)
    for minute in range(-WARM_UP_S // 60, days * DAY):
        if minute >= 0:
            found[minute] = inside.measures()
        inside.advance(weather.advance(START_S + minute * 60, 60), 60)
    return found


def fleet(sensors: int, places: int, days: int, seed: int) -> Fleet:
    """A fleet, half of whose series have a fault."""
    rng = np.random.default_rng(seed)
    truth, place = climate(places, days, seed), np.arange(sensors) * places // sensors
    measure, where = np.repeat(np.arange(4), sensors), np.tile(place, 4)
    values = np.empty((days * DAY, 4 * sensors), np.float32)
    for one in range(4 * sensors):
        offset = rng.normal(0, OFFSET[measure[one]])
        noise = rng.normal(0, SIGMA[measure[one]], days * DAY)
        values[:, one] = truth[:, measure[one], where[one]] + offset + noise
    faults = []
    for number, one in enumerate(rng.permutation(4 * sensors)[: 2 * sensors].tolist()):
        kind = KINDS[number % len(KINDS)]
        begin = int(rng.integers(3.5 * DAY, (days - 1.1) * DAY))
        end = begin + (round(rng.uniform(*HOURS[kind]) * HOUR) if kind in HOURS else 1)
        faults.append(Fault(one, kind, begin, end))
        spoil(values[:, one], truth[:, measure[one], where[one]], SIGMA[measure[one]], faults[-1], rng)
    np.round(values / QUANTUM[measure], out=values)
    values *= QUANTUM[measure].astype(np.float32)
    return Fleet(values, measure * places + where, faults)


def spoil(values: Values, truth: Values, sigma: float, fault: Fault, rng: Rng) -> None:
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


def judge(of: Fleet, *, alone: bool) -> tuple[Values, npt.NDArray[np.int8], float]:
    """By minute and series log p and which detector it is of; and the CPU seconds."""
    minutes, count = of.values.shape
    auto, rows = Auto(count), np.arange(count)
    log_p, feature = np.zeros((minutes, count), np.float32), np.zeros((minutes, count), np.int8)
    begin_s = time.process_time()
    for minute in range(minutes):
        time_ns = np.full(count, (START_S + minute * 60) * 10**9)
        verdict = auto.step(rows, time_ns, of.values[minute].astype(np.float64), None if alone else of.group)
        log_p[minute], feature[minute] = verdict.log_p, verdict.feature
    return log_p, feature, time.process_time() - begin_s


def show(of: Fleet, log_p: Values, feature: npt.NDArray[np.int8], budget: float) -> None:
    """Print what was found."""
    is_alert = log_p <= math.log(budget / 1000 / DAY)
    is_alert[:DAY] = False
    faulty = {fault.series for fault in of.faults}
    peaceful = [one for one in range(log_p.shape[1]) if one not in faulty]
    false: Counter[str] = Counter()
    for one in peaceful:
        at = np.flatnonzero(is_alert[:, one])
        false.update(FEATURES[feature[minute, one]] for minute in at[np.diff(at, prepend=-APART) >= APART])
    days = len(peaceful) * (len(log_p) / DAY - 1)
    print(f"false alerts per 1000 series and day: {1000 * false.total() / days:.2f}  {dict(false)}")
    print(f"{'fault':8} {'number':>6} {'recall':>7} {'delay min':>9}  first seen by")
    for kind in KINDS:
        delays, by = [], Counter[str]()
        faults = [fault for fault in of.faults if fault.kind == kind]
        for fault in faults:
            at = np.flatnonzero(is_alert[fault.begin : fault.end + (LATE if kind == "spike" else 0), fault.series])
            if len(at):
                delays.append(int(at[0]))
                by[FEATURES[feature[fault.begin + at[0], fault.series]]] += 1
        recall = len(delays) / max(len(faults), 1)
        print(f"{kind:8} {len(faults):6} {recall:7.3f} {np.median(delays or [math.nan]):9.0f}  {dict(by)}")


def main() -> None:
    """Make a fleet, judge it, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sensors", type=int, default=1250)
    parser.add_argument("--per-place", type=int, default=25, help="sensors of one zone")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--budget", type=float, default=1.0)
    options = parser.parse_args()
    made = fleet(options.sensors, max(1, options.sensors // options.per_place), options.days, options.seed)
    log_p, feature, cpu_s = judge(made, alone=options.alone)
    count = made.values.size
    print(f"{made.values.shape[1]} series, {options.days} days, {1e6 * cpu_s / count:.2f} µs of CPU a value")
    show(made, log_p, feature, options.budget)


if __name__ == "__main__":
    main()
