"""How rare a score is: its p-value, by what the same series scored before.

Scores of different detectors and signals are not comparable; p-values are, so one threshold fits all. Of each series a
threshold is kept that 2 % of its scores exceed, and by how much they do in the mean, in units of it. Beyond the
threshold the p-value is that of the generalised Pareto distribution with this mean, which may be smaller than one in
all values that were ever seen. Its shape is the same for all: a hundred exceedances tell it to no more than +-0.1.

No tail is believed that is thinner than the Gaussian one. A coarse sensor has few different scores; the threshold comes
to lie just below one of them, all exceedances look small, and the next larger score would look impossible.

The threshold moves by stochastic approximation. A score that remembers the last values is high several times in a row;
so all weights are divided by `memory`. What is learnt is forgotten after about 100 exceedances.

Scores of an anomaly do not teach what is usual: after a few in a row with p below 1e-3 a series is no longer trusted,
until they end, or until ACCEPT of them have come: then this is the new normal, and the detector begins anew.

Sources: Siffer et al., "Anomaly detection in streams with extreme value theory", KDD 2017 (SPOT); Hosking and Wallis,
"Parameter and quantile estimation for the generalized Pareto distribution", Technometrics 1987; Robbins and Monro 1951.
"""

from __future__ import annotations

import math

import numpy as np

from rules.detectors.detector import Habits
from rules.detectors.state import Field, Kept
from rules.values.arrays import Bools, Float64s

SHARE = 0.02
LOG_SHARE = math.log(SHARE)
SHAPE = 0.05
LEAST_EXCESS, LARGEST_EXCESS = 0.146, 3.0  # the least one is that of Gaussian scores
PRIOR, LENGTH = 20, 100  # exceedances
PACE = 0.05
OUTLIER = 4.0
ODD = math.log(1e-3)
SINGLE = 2
LEARNING, EVENTS = 200, 20
ACCEPT = 500


class Tail:
    """The p-values of the scores of one detector."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self.fields = (
            Field("usual", fill=habits.usual),
            Field("excess", fill=habits.excess),
            Field("seen", dtype="<u2"),
            Field("held", dtype="<u2"),
        )

    def log_p(self, kept: Kept, scores: Float64s) -> Float64s:
        """The logarithm of the p-value of each score; 0 for NaN, and while the series is learnt."""
        over = np.nan_to_num(scores) / kept["usual"] - 1
        beyond = LOG_SHARE - np.log1p(SHAPE * np.maximum(over, 0) / _scale(kept)) / SHAPE
        # below the threshold an exponential bulk, which meets it
        found = np.where(over > 0, beyond, LOG_SHARE * (1 + over))
        return np.where(np.isnan(scores) | self.is_learning(kept), 0.0, found)

    def score_at(self, kept: Kept, log_p: float) -> Float64s:
        """The scores that have this p-value, which is below SHARE."""
        over = np.expm1((LOG_SHARE - log_p) * SHAPE) / SHAPE
        scores: Float64s = kept["usual"] * (1 + over * _scale(kept))
        return scores

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
        usual, excess, seen, memory = kept["usual"], kept["excess"], kept["seen"], self._habits.memory
        over = np.nan_to_num(scores) / usual - 1
        is_hit = is_there & (over > 0)
        pace = np.maximum(PACE, 1 / np.sqrt(seen / memory + 4)) / memory
        up = (1 - SHARE) * np.minimum(over / excess, 1)
        moved = usual * np.exp(pace * np.where(is_hit, up, -SHARE))
        kept["usual"] = np.where(is_there, np.maximum(moved, self._habits.least), usual)
        weight = 1 / np.minimum(SHARE * seen + PRIOR * memory, LENGTH * memory)
        learnt = excess + np.where(is_hit, weight * (np.minimum(over, OUTLIER * excess) - excess), 0)
        kept["excess"] = np.clip(learnt, LEAST_EXCESS, LARGEST_EXCESS)
        kept["seen"] = seen + is_there


def _scale(kept: Kept) -> Float64s:
    """Of the distribution beyond the threshold, by its mean."""
    return kept["excess"] * (1 - SHAPE)
