"""Scores of online detectors of river and PySAD: executed by typed_faults.py, in the environment of `detectors`.

    .cache/peers/detectors/bin/python benchmarks/peers/online_detectors.py distances.npy scores.npz

distances.npy has, by minute and series, the distance from the median of the group, in units of its usual size on the
first day, cut at 50. scores.npz gets an array of the same shape for each detector; where there is no value, 0.
Detectors of several features are given the last 8 values.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pysad import models as pysad
from river import anomaly as river

WINDOW = 8
LIMIT = 50.0

Scorer = Callable[[npt.NDArray[np.float64]], float]
"""The score of the last of these values, after which it is learnt."""


def of_river(model: Any, features: int) -> Scorer:
    """A detector of river; with no features it is one of single values."""

    def score(window: npt.NDArray[np.float64]) -> float:
        arguments = (dict(enumerate(window.tolist())),) if features else (None, window[-1])
        found = model.score_one(*arguments)
        model.learn_one(*arguments)
        return float(found)

    return score


def of_pysad(model: Any, features: int) -> Scorer:
    """A detector of PySAD."""
    return lambda window: float(model.fit_score_partial(window[-features:]))


MODELS: dict[str, Callable[[], Scorer]] = {
    "river GaussianScorer": lambda: of_river(river.GaussianScorer(), 0),
    "river StandardAbsoluteDeviation": lambda: of_river(river.StandardAbsoluteDeviation(), 0),
    "river HalfSpaceTrees": lambda: of_river(
        river.HalfSpaceTrees(seed=1, limits=dict.fromkeys(range(WINDOW), (-LIMIT, LIMIT))), WINDOW
    ),
    "pysad MedianAbsoluteDeviation": lambda: of_pysad(pysad.MedianAbsoluteDeviation(), 1),
    "pysad LODA": lambda: of_pysad(pysad.LODA(random_state=1), WINDOW),
}


def scores(values: npt.NDArray[np.float64], scorer: Scorer) -> npt.NDArray[np.float32]:
    """Of one series, from its first WINDOW values on."""
    found = np.zeros(len(values), np.float32)
    rows = np.flatnonzero(~np.isnan(values))
    there = values[rows]
    for at in range(WINDOW, len(there)):
        found[rows[at]] = np.nan_to_num(scorer(there[at - WINDOW + 1 : at + 1]), posinf=0.0, neginf=0.0)
    return found


def main() -> None:
    """Score each series by each detector."""
    warnings.simplefilter("ignore")  # of divisions by no spread yet
    distances = np.load(sys.argv[1])
    found = {
        name: np.stack([scores(values, make()) for values in distances.T], axis=1) for name, make in MODELS.items()
    }
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
