"""What a detector is: it scores one value of each of many series, and then learns from them.

`score` comes before `learn`, so that a score never knows its own value, nor a later one. A detector keeps nothing but
what is in its fields, so a copy of these is a copy of the detector; series never influence each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rules.detectors.state import Field, Kept
from rules.values.arrays import Float64s
from store.record import Int64s

LARGEST = 1e6
"""Scores are cut here: a signal that never moved, and moves, is infinitely far from what it was."""

FIRST = 12
"""So many values make the first scale."""

COUNT = Field("count", dtype="<u2")
"""How many values a detector has learnt from; at 0 it begins anew, whatever else it keeps."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One value of each of n series, all finite.

    local_ns  when each was taken, by the local clock
    raw       what was measured
    value     the same, or its distance from its peers where these are known
    """

    local_ns: Int64s
    raw: Float64s
    value: Float64s

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True, slots=True)
class Habits:
    """What is known of the scores of a detector before any of a series was seen (`rules.detectors.tail`).

    usual   the score that one value in 50 exceeds
    least   which is at least this
    excess  by how much such a score exceeds it in the mean, in units of it: 0.15 if they are Gaussian, as means of many
            values are; 0.26 if exponential
    memory  how many values in a row a score remembers, so that so many high scores are one event
    every   of how many values one has a score
    """

    usual: float = 3.0
    least: float = 0.1
    excess: float = 0.3
    memory: float = 1.0
    every: float = 1.0


class Detector(Protocol):
    """One way to see that a value is unusual. All arrays are of the n series of a step."""

    @property
    def name(self) -> str:
        """What it is called in alerts."""
        ...

    @property
    def habits(self) -> Habits:
        """Of its scores."""
        ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """What it keeps of each series; `COUNT` is among them."""
        ...

    def score(self, kept: Kept, step: Step) -> Float64s:
        """How unusual each value is, at least 0; NaN while it warms up. Changes nothing."""
        ...

    def learn(self, kept: Kept, step: Step, trust: Float64s) -> None:
        """Take the values in. `trust` is 0 for one of a series that is anomalous for a while: what is usual stays as
        it is, while what is recent goes on.
        """
        ...


def in_units(distance: Float64s, scale: Float64s, level: Float64s) -> Float64s:
    """Distances in units of a scale; a scale of nothing counts as the resolution of the numbers."""
    least = 1e-7 * np.abs(level) + 1e-12
    return np.minimum(np.abs(distance) / np.maximum(scale, least), LARGEST)


def rate(count: Float64s, length: float) -> Float64s:
    """The weight of a new value in a mean over `length` values; of fewer at first, so that each counts the same."""
    return 1.0 / np.clip(count + 1.0, 1.0, length)


def clipped(distance: Float64s, scale: Float64s, count: Float64s, at: float = 3.0) -> Float64s:
    """Distances as Huber's estimator takes them: no further than `at` scales, once there is a scale.

    Where the scale is nothing a tenth is taken, or a constant would be kept for ever.
    """
    limit = np.where(count < FIRST, np.inf, at * scale)
    return np.where(limit > 0, np.clip(distance, -limit, limit), distance * 0.1)


def mean_of(mean: Float64s, value: Float64s, weight: Float64s, count: Float64s) -> Float64s:
    """A mean after one more value of this weight; the second value of a series begins it."""
    return np.where(count == 0, 0.0, mean + np.where(count == 1, 1.0, weight) * (value - mean))
