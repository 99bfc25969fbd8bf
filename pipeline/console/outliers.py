"""Which of the last values of a zone's sensors are unlike the others.

The modified z-score of Iglewicz and Hoaglin ("How to Detect and Handle Outliers", 1993): the distance from the median
in units of the median absolute deviation, or of the mean one where most values are the same. Their bound is 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

BOUND = 3.5
FEWEST = 5  # values, for "the others" to mean something
MEDIAN_DEVIATIONS = 1.4826  # of a normal distribution: one standard deviation
MEAN_DEVIATIONS = 1.2533


@dataclass(frozen=True, slots=True)
class Outliers:
    """The median of all, and the places of the values that are far from it, the farthest first."""

    median: float
    places: Sequence[int]


def outliers(values: Sequence[float]) -> Outliers:
    """Of at least one finite number. None are far among fewer than FEWEST, or if all are equal."""
    middle = median(values)
    distances = [abs(value - middle) for value in values]
    unit = MEDIAN_DEVIATIONS * median(distances) or MEAN_DEVIATIONS * fmean(distances)
    if len(values) < FEWEST or not unit:
        return Outliers(middle, ())
    far = [place for place, distance in enumerate(distances) if distance / unit > BOUND]
    return Outliers(middle, sorted(far, key=lambda place: -distances[place]))
