"""`streamgauge detect` on the Numenta Anomaly Benchmark: its three scores, windows hit, false alerts.

    .venv/bin/python benchmarks/nab.py ../shared/nab [--files]

The folder has `data/<group>/<file>.csv` and `windows.json`. The scoring is that of Lavin and Ahmad, "Evaluating
real-time anomaly detection algorithms", 2015: of each window the earliest alert counts, the more the earlier; one
outside of all windows costs, less if it comes soon after a window; 0 is a detector that never alerts, 100 one that
alerts at the beginning of each window and nowhere else. The first 15 % of a file, at most 750 rows, are not judged.

One set of parameters and one threshold (0.5) for all files; each row is scored before the next one is read. Beside it
stands what an alert each k rows gets, whatever the data are, for the k that is best. VUS-PR (`vus.py`) is the mean over
the files that have windows, of the scores as they are written, beside that of random ones.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from vus import vus_pr

from rules.detectors.files import ALERT, anomaly_scores

PROBATION, LONGEST_PROBATION = 0.15, 750
# what an alert in a window gains, one outside costs, and a window without one costs
PROFILES = {"standard": (1.0, 0.11, 1.0), "low FP": (1.0, 0.22, 1.0), "low FN": (1.0, 0.11, 2.0)}

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One file: its rows, and its windows as numbers of their first and last row."""

    name: str
    time_ns: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    windows: list[tuple[int, int]]

    @property
    def probation(self) -> int:
        """How many first rows are not judged."""
        return min(math.floor(PROBATION * len(self.value)), LONGEST_PROBATION)


def load(folder: Path) -> Iterator[Series]:
    """All files that have windows or are said to have none."""
    for name, windows in json.loads((folder / "windows.json").read_text()).items():
        with (folder / "data" / name).open() as stream:
            rows = [*csv.DictReader(stream)]
        times = np.array([row["timestamp"] for row in rows], "datetime64[ns]").astype(np.int64)
        ends = np.array(windows, "datetime64[ns]").astype(np.int64).reshape(-1, 2)
        found = [(int(np.argmax(times == begin)), int(np.argmax(times == end))) for begin, end in ends.tolist()]
        yield Series(name, times, np.array([float(row["value"]) for row in rows]), found)


def position_score(position: float) -> float:
    """Of an alert: -1 is the begin of a window, 0 its end, beyond it is after the window."""
    return -1.0 if position >= 3 else 2 / (1 + math.exp(5 * position)) - 1


def score(series: Series, alerts: Bools, profile: tuple[float, float, float]) -> float:
    """The sum over the windows and false alerts of one file."""
    gain, cost, missed = profile
    at = np.flatnonzero(alerts)
    at = at[at >= series.probation].tolist()
    total, left = 0.0, 0  # `left` is the first row after the windows so far
    previous: tuple[int, int] | None = None
    for window in (*series.windows, None):
        begin = len(alerts) if window is None else window[0]
        total += cost * sum(false_alert(row, previous) for row in at if left <= row < begin)
        if window is None:
            break
        previous, left = window, window[1] + 1
        if window[1] < series.probation:
            continue
        inside = [row for row in at if window[0] <= row <= window[1]]
        width = window[1] - window[0] + 1
        best = max((position_score(-(window[1] - row + 1) / width) for row in inside), default=None)
        total += -missed if best is None else gain * best / position_score(-1)
    return total


def false_alert(row: int, previous: tuple[int, int] | None) -> float:
    """The share of its cost that an alert outside has, negative: less soon after a window."""
    return -1.0 if previous is None else position_score((row - previous[1]) / (previous[1] - previous[0]))


def counted(series: Series) -> list[tuple[int, int]]:
    """The windows that are not over with the probation."""
    return [window for window in series.windows if window[1] >= series.probation]


def normalised(files: list[Series], alerts: dict[str, Bools], profile: tuple[float, float, float]) -> float:
    """The score of all files: 0 is silence, 100 is perfect."""
    count = sum(len(counted(one)) for one in files)
    silent, perfect = -profile[2] * count, profile[0] * count
    return 100 * (sum(score(one, alerts[one.name], profile) for one in files) - silent) / (perfect - silent)


def detected(files: list[Series]) -> dict[str, npt.NDArray[np.float64]]:
    """The scores of each file. All are taken row by row together, which changes nothing but the time it takes."""
    found = {}
    groups: tuple[Callable[[Series], bool], ...] = (
        lambda one: one.probation < LONGEST_PROBATION,
        lambda one: one.probation == LONGEST_PROBATION,
    )
    for belongs, probation in zip(groups, (PROBATION, LONGEST_PROBATION), strict=True):
        chosen = [one for one in files if belongs(one)]
        if not chosen:
            continue
        lengths = [len(one.value) for one in chosen]
        times, values = (np.concatenate([getattr(one, name) for one in chosen]) for name in ("time_ns", "value"))
        scores = anomaly_scores(
            times, values, series=np.repeat(np.arange(len(chosen)), lengths), probation=float(probation)
        )
        parts = np.split(scores, np.cumsum(lengths)[:-1])
        found.update({one.name: part for one, part in zip(chosen, parts, strict=True)})
    return found


def each(files: list[Series], rows: int) -> dict[str, Bools]:
    """An alert each so many rows, from the end of the probation."""
    return {
        one.name: (np.arange(len(one.value)) >= one.probation)
        & ((np.arange(len(one.value)) - one.probation) % rows == 0)
        for one in files
    }


def mean_vus_pr(files: list[Series], scores: dict[str, npt.NDArray[np.float64]]) -> float:
    """The mean VUS-PR of the files that have windows."""
    found = []
    for one in files:
        is_anomalous = np.zeros(len(one.value), bool)
        for begin, end in one.windows:
            is_anomalous[begin : end + 1] = True
        if one.windows:
            found.append(vus_pr(is_anomalous, scores[one.name]))
    return float(np.mean(found))


def row_of(name: str, files: list[Series], alerts: dict[str, Bools]) -> str:
    """One line of the table."""
    scores = [normalised(files, alerts, profile) for profile in PROFILES.values()]
    hit = sum(alerts[one.name][max(a, one.probation) : b + 1].any() for one in files for a, b in counted(one))
    false = rows = 0
    for one in files:
        outside = alerts[one.name].copy()
        outside[: one.probation] = False
        for a, b in one.windows:
            outside[a : b + 1] = False
        false, rows = false + int(outside.sum()), rows + len(outside) - one.probation
    windows = sum(len(counted(one)) for one in files)
    figures = "".join(f"{value:10.1f}" for value in scores)
    return f"{name:28}{figures}{f'{hit}/{windows}':>10}{1e4 * false / rows:12.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", action="store_true", help="a line for each file, too")
    options = parser.parse_args()
    files = [*load(options.folder)]
    begin_s = time.process_time()
    scores = detected(files)
    spent_s = time.process_time() - begin_s
    alerts = {name: found >= ALERT for name, found in scores.items()}
    print(f"{'':28}{''.join(f'{name:>10}' for name in PROFILES)}{'windows':>10}{'false/10000':>12}")
    print(row_of("streamgauge detect", files, alerts))
    best = max(range(20, 1000, 10), key=lambda rows: normalised(files, each(files, rows), PROFILES["standard"]))
    print(row_of(f"an alert each {best} rows", files, each(files, best)))
    rng = np.random.default_rng(1)
    of_random = mean_vus_pr(files, {one.name: rng.random(len(one.value)) for one in files})
    print(f"VUS-PR {mean_vus_pr(files, scores):.3f}, of random scores {of_random:.3f}")
    if options.files:
        for one in files:
            if counted(one):
                print(row_of(one.name.partition("/")[2][:27], [one], alerts))
    rows = sum(len(one.value) for one in files)
    print(f"{len(files)} files, {rows} rows, {1e6 * spent_s / rows:.0f} µs of CPU a row")


if __name__ == "__main__":
    main()
