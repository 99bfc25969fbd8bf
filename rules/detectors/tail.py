"""How rare a score is: its p-value, by what the same series scored before.

Scores of different detectors and signals are not comparable; p-values are, so one threshold fits all. Of each series a
threshold is kept that 2 % of its scores exceed, and by how much they do, in units of it: the mean and the mean square.
Beyond the threshold the p-value is that of the generalised Pareto distribution with these moments, which may be smaller
than one in all values that were ever seen.

The threshold moves by stochastic approximation. A score that remembers the last values is high several times in a row;
so all weights are divided by `memory`. What is learnt is forgotten after about 100 exceedances.

Scores of an anomaly do not teach what is usual: after a few in a row with p below 1e-3 a series is no longer trusted,
until they end, or until ACCEPT of them have come: then this is the new normal, and the detector begins anew.

Sources: Siffer et al., "Anomaly detection in streams with extreme value theory", KDD 2017 (SPOT); Hosking and Wallis,
"Parameter and quantile estimation for the generalized Pareto distribution", Technometrics 1987 (moments); Robbins and
Monro 1951.
"""

from __future__ import annotations

import math

import numpy as np

from rules.detectors.detector import Habits
from rules.detectors.state import Field, Kept
from rules.values.arrays import Bools, Float64s

SHARE = 0.02
LOG_SHARE = math.log(SHARE)
EXCESS = 0.3  # of Gaussian scores it is 0.15, of exponential ones 0.26
PRIOR_SHAPE = 0.05
LEAST_SHAPE, LARGEST_SHAPE = 0.01, 0.3
PRIOR, LENGTH = 20, 100  # exceedances
PACE = 0.05
OUTLIER = 4.0
ODD = math.log(1e-3)
SINGLE = 2
LEARNING, EVENTS = 200, 20
ACCEPT = 500


_LEARNT = (
    Field("excess", dtype="<f2", fill=EXCESS),
    Field("square", dtype="<f2", fill=2 * EXCESS**2 * (1 - PRIOR_SHAPE) / (1 - 2 * PRIOR_SHAPE)),
    Field("hits", dtype="<u2"),
    Field("seen", dtype="<u2"),
    Field("held", dtype="<u2"),
)


class Tail:
    """The p-values of the scores of one detector."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self.fields = (Field("usual", fill=habits.usual), *_LEARNT)

    def log_p(self, kept: Kept, scores: Float64s) -> Float64s:
        """The logarithm of the p-value of each score; 0 for NaN, and while the series is learnt."""
        over = np.nan_to_num(scores) / kept["usual"] - 1
        shape, scale = self._pareto(kept)
        beyond = LOG_SHARE - np.log1p(shape * np.maximum(over, 0) / scale) / shape
        # below the threshold an exponential bulk, which meets it
        found = np.where(over > 0, beyond, LOG_SHARE * (1 + over))
        return np.where(np.isnan(scores) | self.is_learning(kept), 0.0, found)

    def score_at(self, kept: Kept, log_p: float) -> Float64s:
        """The scores that have this p-value, which is below SHARE."""
        shape, scale = self._pareto(kept)
        return kept["usual"] * (1 + np.expm1((LOG_SHARE - log_p) * shape) * scale / shape)

    def is_learning(self, kept: Kept) -> Bools:
        """Which series have had too few scores for a p-value."""
        needed = max(LEARNING / self._habits.every, EVENTS * self._habits.memory)
        is_learning: Bools = kept["seen"] < needed
        return is_learning

    @staticmethod
    def is_held(held: Float64s) -> Bools:
        """Which series are not trusted while their scores are odd."""
        is_held: Bools = held > SINGLE
        return is_held

    def trust(self, kept: Kept, log_p: Float64s) -> tuple[Float64s, Bools]:
        """What these p-values make of each series: how far it is trusted, and whether its detector begins anew."""
        held = kept["held"]
        is_odd = log_p < ODD
        held = np.where(is_odd, held + 1, np.maximum(held - 1, 0))
        is_new_normal = held > ACCEPT / self._habits.every
        kept["held"] = np.where(is_new_normal, 0, held)
        kept["seen"] = np.where(is_new_normal, 0, kept["seen"])
        return np.where(is_odd & self.is_held(held), 0.0, 1.0), is_new_normal

    def learn(self, kept: Kept, scores: Float64s, trust: Float64s) -> None:
        """Take scores in; NaN and those without trust are left out."""
        is_there = ~np.isnan(scores) & (trust > 0)
        usual, excess, square, memory = kept["usual"], kept["excess"], kept["square"], self._habits.memory
        over = np.nan_to_num(scores) / usual - 1
        is_hit = is_there & (over > 0)
        pace = np.maximum(PACE, 1 / np.sqrt(kept["seen"] / memory + 4)) / memory
        up = (1 - SHARE) * np.minimum(over / excess, 1)
        moved = usual * np.exp(pace * np.where(is_hit, up, -SHARE))
        kept["usual"] = np.where(is_there, np.maximum(moved, self._habits.least), usual)
        weight = 1 / np.minimum(kept["hits"] + PRIOR * memory, LENGTH * memory)
        over = np.minimum(over, OUTLIER * excess)
        kept["excess"] = np.clip(np.where(is_hit, excess + weight * (over - excess), excess), 0.05, 3)
        kept["square"] = np.clip(np.where(is_hit, square + weight * (over * over - square), square), 0.0025, 50)
        kept["hits"] = kept["hits"] + is_hit
        kept["seen"] = kept["seen"] + is_there

    def _pareto(self, kept: Kept) -> tuple[Float64s, Float64s]:
        """The shape and scale of the distribution beyond the threshold, by the method of moments."""
        mean = kept["excess"]
        variance = np.maximum(kept["square"] - mean * mean, 1e-9)
        shape = np.clip((1 - mean * mean / variance) / 2, LEAST_SHAPE, LARGEST_SHAPE)
        return shape, mean * (1 - shape)
