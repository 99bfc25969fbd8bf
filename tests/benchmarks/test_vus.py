"""VUS-PR, against the values that aeon's tests print, which are those of the authors' program."""

from __future__ import annotations

import numpy as np
import pytest
from vus import ranges, vus_pr, with_buffer


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros(200, bool)
    for begin, end in ((10, 20), (28, 33), (110, 120)):
        labels[begin:end] = True
    return labels


def test_it_is_what_others_print(labels: np.ndarray) -> None:
    scores = np.random.default_rng(41).random(200) * 0.5
    for begin, end in ((16, 22), (33, 38), (160, 170)):
        scores[begin:end] = 1

    assert vus_pr(labels, scores, 200) == pytest.approx(0.7493254559, abs=1e-9)


def test_the_labels_themselves_are_the_best_scores_and_equal_ones_are_worth_nothing(labels: np.ndarray) -> None:
    assert vus_pr(labels, labels.astype(float), 0) == pytest.approx(1)
    assert vus_pr(labels, np.full(200, 0.3)) == 0.0
    assert vus_pr(labels, 1.0 - labels, 0) < 0.2


def test_a_buffer_reaches_half_its_length_to_both_sides(labels: np.ndarray) -> None:
    begins, ends = ranges(with_buffer(labels, 6) > 0)

    assert begins.tolist() == [7, 25, 107]
    assert ends.tolist() == [22, 35, 122]
