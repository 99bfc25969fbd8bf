"""Latencies as a histogram of constant size; percentiles to 2 %."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STEPS = 32  # per doubling
FLOOR_S = 1e-6
BUCKETS = 32 * STEPS  # up to 71 minutes


class Latencies:
    """Counts by the logarithm of the seconds."""

    def __init__(self) -> None:
        self._counts = np.zeros(BUCKETS, dtype=np.int64)
        self._max_s = 0.0

    def add(self, seconds: npt.NDArray[np.float64]) -> None:
        """Count these."""
        buckets = (np.log2(np.maximum(seconds, FLOOR_S) / FLOOR_S) * STEPS).astype(np.int64)
        self._counts += np.bincount(np.minimum(buckets, BUCKETS - 1), minlength=BUCKETS)
        self._max_s = max(self._max_s, float(seconds.max(initial=0.0)))

    def percentile_s(self, percent: float) -> float | None:
        """The latency that `percent` of all do not exceed; None if there are none."""
        total = int(self._counts.sum())
        if not total:
            return None
        bucket = int(np.searchsorted(np.cumsum(self._counts), total * percent / 100))
        return float(min(FLOOR_S * 2 ** ((bucket + 0.5) / STEPS), self._max_s))

    def as_ms(self) -> dict[str, float | None]:
        """p50, p90, p99 and maximum in milliseconds."""
        ms = {f"p{p}": self.percentile_s(p) for p in (50, 90, 99)} | {"max": self._max_s}
        return {name: None if value is None else round(value * 1000, 3) for name, value in ms.items()}
