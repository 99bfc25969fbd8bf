"""Waiting times that double."""

from __future__ import annotations

import random

import pytest

from store.values.backoff import Backoff, InARow


@pytest.mark.parametrize(
    ("failures", "longest_s"), [(1, 1), (2, 2), (3, 4), (10, 512), (11, 600), (12, 600), (100_000, 600)]
)
def test_waits_double_up_to_the_longest_of_which_a_share_is_left_to_chance(failures: int, longest_s: float) -> None:
    backoff, rng = Backoff(first_s=1.0, longest_s=600.0, chance=0.5), random.Random(7)

    waits = [backoff.wait_s(failures, rng) for _ in range(200)]

    assert backoff.wait_s(failures) == longest_s
    assert longest_s / 2 <= min(waits) < longest_s * 0.6
    assert longest_s * 0.9 < max(waits) <= longest_s
    assert len(set(waits)) == 200


@pytest.mark.parametrize(("ran_s", "failures"), [(9.9, 3), (10.0, 1), (10.1, 1)])
def test_a_long_run_resets_the_count(ran_s: float, failures: int) -> None:
    in_a_row = InARow(steady_after_s=10.0)
    in_a_row.ended(0.1)
    in_a_row.ended(0.1)

    assert in_a_row.ended(ran_s) == failures
