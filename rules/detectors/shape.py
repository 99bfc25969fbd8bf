"""`shape`: a stretch of the signal looks like none before.

What it is   the distance of the last 48 values, as means of 6, less their own mean, from the nearest of 4 kept shapes,
             in units of the usual distance. A shape near a kept one moves it by a tenth; another takes the place of
             the one that was met least.
Fails        on a change of level (which it takes out), on shapes shorter than 12 values, on more than 4 habits.
Range        0 to 1e6, in units of the mean distance. One value in 6 has a score.
Warm-up      144 values.
Cost         194 bytes a series.
Source       online k-means with replacement, as of the codebook of Carpenter and Grossberg's adaptive resonance (1987).
"""

from __future__ import annotations

import numpy as np

from rules.detectors.detector import COUNT, Habits, Step, in_units, rate
from rules.detectors.state import Field, Kept
from rules.values.arrays import Bools, Float64s, Indices

POINTS = 8
SHAPES = 4
SIMILAR = 2.0
FORGET = 0.995


class Shape:
    """How far the last values are from the shapes that were seen."""

    name = "shape"
    fields = (
        Field("sum", dtype="<f8"),
        Field("taken", dtype="<u2"),
        Field("window", POINTS),
        Field("shapes", POINTS * SHAPES),
        Field("met", SHAPES),
        Field("scale"),
        COUNT,
    )

    def __init__(self, every: int = 6) -> None:
        self.habits = Habits(usual=2.0, excess=0.2, memory=2, every=every)
        self._every = every

    def score(self, kept: Kept, step: Step) -> Float64s:
        """In units of the usual distance, when a mean is complete."""
        scores = np.full(len(step), np.nan)
        rows = np.flatnonzero(self._is_complete(kept) & (kept["count"] >= 3 * POINTS))
        if len(rows):
            shape, _ = self._shape(kept, step, rows)
            _, distance = self._nearest(kept, shape, rows)
            scores[rows] = in_units(distance, kept["scale"][rows], step.value[rows])
        return scores

    def learn(self, kept: Kept, step: Step, trust: Float64s) -> None:
        """The window always, the shapes and the usual distance with trust."""
        is_complete, count = self._is_complete(kept), kept["count"]
        done = np.flatnonzero(is_complete)
        if len(done):
            shape, window = self._shape(kept, step, done)
            full = count[done] >= POINTS - 1
            self._keep(kept, shape[full], done[full], trust[done[full]])
            kept["window"][done] = window
        kept["sum"] = np.where(is_complete, 0, kept["sum"] + step.value)
        kept["taken"] = np.where(is_complete, 0, kept["taken"] + 1)
        kept["count"] = count + is_complete

    def _keep(self, kept: Kept, shape: Float64s, rows: Indices, trust: Float64s) -> None:
        place, distance = self._nearest(kept, shape, rows)
        scale, met = kept["scale"][rows], kept["met"][rows]
        is_new = (distance > SIMILAR * scale) & (trust > 0)
        place = np.where(is_new, met.argmin(1), place)
        shapes = kept["shapes"].reshape(-1, SHAPES, POINTS)
        before = shapes[rows, place]
        shapes[rows, place] = before + (np.where(is_new, 1.0, 0.1) * trust)[:, None] * (shape - before)
        met *= FORGET
        at = np.arange(len(rows)), place
        met[at] = np.where(is_new, 1, met[at] + trust)
        kept["met"][rows] = met
        # the first shape has none to be near to
        usual = np.where(np.isfinite(distance), np.where(scale > 0, np.minimum(distance, 3 * scale), distance), 0)
        kept["scale"][rows] = scale + trust * rate(kept["count"][rows] - POINTS + 1, 200) * (usual - scale)

    def _is_complete(self, kept: Kept) -> Bools:
        is_complete: Bools = kept["taken"] + 1 >= self._every
        return is_complete

    def _shape(self, kept: Kept, step: Step, rows: Indices) -> tuple[Float64s, Float64s]:
        """The window with its last point, less its mean; and as it is."""
        point = (kept["sum"][rows] + step.value[rows]) / self._every
        window = np.concatenate([kept["window"][rows, 1:], point[:, None]], axis=1)
        return window - window.mean(1, keepdims=True), window

    def _nearest(self, kept: Kept, shape: Float64s, rows: Indices) -> tuple[Indices, Float64s]:
        """Which shape is nearest, and how far it is; infinitely if there is none yet."""
        shapes = kept["shapes"][rows].reshape(-1, SHAPES, POINTS)
        distances = np.sqrt(((shapes - shape[:, None, :]) ** 2).mean(2))
        distances = np.where(kept["met"][rows] > 0, distances, np.inf)
        nearest = distances.argmin(1)
        return nearest, distances[np.arange(len(nearest)), nearest]
