"""VUS-PR: how well scores rank what is anomalous in a series, whatever the threshold is; near misses count in part.

The volume under the surface of precision, recall and buffer length of Paparrizos et al., "Volume under the surface: a
new accuracy evaluation measure for time-series anomaly detection", VLDB 2022. 1 is perfect; noise scores about as much
as there are anomalies. The packages `vus` and `TSB-AD` have it too, and need TensorFlow or PyTorch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Ranges = npt.NDArray[np.intp]

LONGEST = 100
"""The longest buffer, in rows, as TSB-AD takes it."""

THRESHOLDS = 250


def vus_pr(labels: npt.NDArray[np.bool_], scores: Float64s, longest: int = LONGEST) -> float:
    """The mean area under precision and recall over buffers of 0 to `longest` rows; 0 if all scores are the same.

    labels  which rows are anomalous; at least one is
    scores  of the same rows, finite, the larger the more anomalous
    """
    if scores.min() == scores.max():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    thresholds = scores[order][np.linspace(0, len(scores) - 1, THRESHOLDS, dtype=np.intp)]
    alerts = np.searchsorted(-scores[order], -thresholds, side="right")
    return float(np.mean([_area(labels, scores, order, thresholds, alerts, buffer) for buffer in range(longest + 1)]))


def _area(
    labels: npt.NDArray[np.bool_], scores: Float64s, order: Ranges, thresholds: Float64s, alerts: Ranges, buffer: int
) -> float:
    """The area under precision and recall with one buffer; `alerts` are how many rows score at least each threshold."""
    weight = with_buffer(labels, buffer)
    begins, ends = ranges(weight > 0)
    highest = np.array([scores[begin:end].max() for begin, end in zip(begins, ends, strict=True)])
    found = (highest >= thresholds[:, None]).mean(1)
    hits = np.cumsum(weight[order])[alerts - 1]
    recall = np.concatenate([[0.0], np.minimum(hits / ((labels.sum() + weight.sum()) / 2), 1) * found])
    precision = np.concatenate([[1.0], hits / alerts])
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))


def with_buffer(labels: npt.NDArray[np.bool_], buffer: int) -> Float64s:
    """1 in anomalies, and less, down to sqrt(1/2), in half a buffer before and after each."""
    weight = labels.astype(np.float64)
    if buffer > 1:
        for begin, end in zip(*ranges(labels), strict=True):
            after = np.arange(end, min(end - 1 + buffer // 2, len(labels)))
            before = np.arange(max(begin - buffer // 2, 0), begin)
            weight[after] += np.sqrt(1 - (after - end + 1) / buffer)
            weight[before] += np.sqrt(1 - (begin - before) / buffer)
    return np.minimum(weight, 1)


def ranges(labels: npt.NDArray[np.bool_]) -> tuple[Ranges, Ranges]:
    """Where each run of true begins, and where it has ended."""
    edges = np.diff(labels.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
