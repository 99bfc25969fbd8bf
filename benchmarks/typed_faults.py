"""What `auto` finds of seven kinds of faults, at how many false alerts: a simulated fleet with labels.

    .venv/bin/python benchmarks/typed_faults.py [--sensors 1250] [--days 10] [--seed 1] [--alone] [--others]

The series and their faults are those of `simulators.labelled_series`: four measures of each sensor, one value a minute.
Half of the series have one fault, after the third day.

A fault is found if an alert begins within it. False alerts are those of series without a fault, an hour apart, after
the first day, which is for learning. The threshold on p follows from the budget: so many alerts per 1000 series and
day, of 1440 values a day. `--alone` judges each series without its peers.
`--others` prints what detectors of river and PySAD find, which are given the distance of each value from the median of
its group, and the best of all thresholds: the lowest one without a false alert. CPU time is that of the detectors.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rules.detectors.auto import FEATURES, Auto
from simulators.labelled_series import DAY, KINDS, START_S, LabelledSeries, Values, labelled_series

LATE = 3  # minutes after a spike that still count
APART = 60
OTHERS = Path(__file__).parent / "peers"
OTHERS_PYTHON = Path(__file__).parents[1] / ".cache/peers/detectors/bin/python"


def judge(of: LabelledSeries, *, alone: bool) -> tuple[Values, npt.NDArray[np.int8], float]:
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


@dataclass(frozen=True, slots=True)
class Found:
    """What alerts found: by kind of fault how many minutes each took, and how many were missed.

    first         by kind the minute and series of the first alert of each that was found
    false_alerts  the minute and series of each
    """

    delays: dict[str, list[int]]
    first: dict[str, list[tuple[int, int]]]
    missed: dict[str, int]
    false_alerts: list[tuple[int, int]]

    def recall(self, kind: str) -> str:
        """As it is printed."""
        found = len(self.delays.get(kind, ()))
        return f"{found}/{found + self.missed.get(kind, 0)}"


def found_in(of: LabelledSeries, strength: Values, threshold: float) -> Found:
    """What is found with alerts at a strength of more than this. `strength`: by minute and series."""
    is_alert = strength >= threshold
    is_alert[:DAY] = False
    delays, first = defaultdict[str, list[int]](list), defaultdict[str, list[tuple[int, int]]](list)
    missed = Counter[str]()
    for fault in of.faults:
        at = np.flatnonzero(is_alert[fault.begin : fault.end + LATE * (fault.kind == "spike"), fault.series])
        if len(at):
            delays[fault.kind].append(int(at[0]))
            first[fault.kind].append((fault.begin + int(at[0]), fault.series))
        else:
            missed[fault.kind] += 1
    false = []
    for one in without_fault(of):
        at = np.flatnonzero(is_alert[:, one])
        false += [(minute, one) for minute in at[np.diff(at, prepend=-APART) >= APART].tolist()]
    return Found(dict(delays), dict(first), dict(missed), false)


def without_fault(of: LabelledSeries) -> list[int]:
    """The series that have none."""
    return sorted(set(range(of.values.shape[1])) - {fault.series for fault in of.faults})


def show(of: LabelledSeries, log_p: Values, feature: npt.NDArray[np.int8], budget: float) -> None:
    """Print what was found."""
    found = found_in(of, -log_p, -math.log(budget / 1000 / DAY))

    def by(alerts: list[tuple[int, int]]) -> dict[str, int]:
        return dict(Counter(FEATURES[feature[alert]] for alert in alerts))

    days = len(without_fault(of)) * (len(log_p) / DAY - 1)
    false = found.false_alerts
    print(f"false alerts per 1000 series and day: {1000 * len(false) / days:.2f}  {by(false)}")
    print(f"{'fault':8} {'found':>9} {'delay min':>9}  first seen by")
    for kind in KINDS:
        delay = np.median(found.delays.get(kind, [math.nan]))
        print(f"{kind:8} {found.recall(kind):>9} {delay:9.0f}  {by(found.first.get(kind, []))}")


def show_others(of: LabelledSeries) -> None:
    """Print what other libraries find, each with the threshold at which it has no false alert."""
    value = of.values.astype(np.float64)
    distances = np.array([row - medians(row, of.group) for row in value])
    usual = np.nanmedian(np.abs(distances[:DAY] - np.nanmedian(distances[:DAY], 0)), 0)
    distances = np.clip((distances - np.nanmedian(distances[:DAY], 0)) / np.maximum(usual, 1e-9), -50, 50)
    subprocess.run([OTHERS / "detectors"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder) / "distances.npy", Path(folder) / "scores.npz"
        np.save(here, distances)
        subprocess.run([OTHERS_PYTHON, OTHERS / "online_detectors.py", here, there], check=True)
        scores = {name: found.astype(np.float64) for name, found in np.load(there).items()}
    print(f"{'':32}{''.join(f'{kind:>9}' for kind in KINDS)}")
    for name, strength in scores.items():
        found = found_in(of, strength, np.nextafter(strength[DAY:, without_fault(of)].max(), np.inf))
        print(f"{name:32}{''.join(f'{found.recall(kind):>9}' for kind in KINDS)}")


def medians(values: npt.NDArray[np.float64], group: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Of the group of each value."""
    return np.array([np.nanmedian(values[group == one]) for one in range(group.max() + 1)])[group]


def main() -> None:
    """Make a fleet, judge it, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sensors", type=int, default=1250)
    parser.add_argument("--per-place", type=int, default=25, help="sensors of one zone")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--budget", type=float, default=1.0)
    parser.add_argument("--others", action="store_true", help="what river and PySAD find, too: 150 µs a value")
    options = parser.parse_args()
    made = labelled_series(options.sensors, max(1, options.sensors // options.per_place), options.days, options.seed)
    log_p, feature, cpu_s = judge(made, alone=options.alone)
    count = made.values.size
    print(f"{made.values.shape[1]} series, {options.days} days, {1e6 * cpu_s / count:.2f} µs of CPU a value")
    show(made, log_p, feature, options.budget)
    if options.others:
        show_others(made)


if __name__ == "__main__":
    main()
