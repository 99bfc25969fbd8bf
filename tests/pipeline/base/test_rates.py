"""An account keeps its mean rate, and every batch is taken at some time."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from pipeline.base.rates import Rates


def rates(per_s: float | None = 10.0) -> Rates:
    return Rates(lambda account: per_s if account == "farm" else None)


def test_a_second_of_messages_is_free_at_once_and_the_next_one_waits() -> None:
    found = rates()

    found.take("farm", 10, 0.0)
    within = found.wait_s("farm", 0.0)
    found.take("farm", 1, 0.0)

    assert (within, found.wait_s("farm", 0.0)) == (0.0, 0.1)
    assert found.wait_s("farm", 0.1) == 0.0


def test_a_large_batch_is_a_debt_that_is_paid() -> None:
    found = rates()

    found.take("farm", 1_010, 0.0)

    assert [round(found.wait_s("farm", at), 6) for at in (0.0, 50.0, 100.0, 101.0)] == [100.0, 50.0, 0.0, 0.0]


def test_other_accounts_are_not_limited() -> None:
    found = rates()

    found.take("zoo", 1_000_000, 0.0)
    found.take("farm", 1_000_000, 0.0)

    assert found.wait_s("zoo", 0.0) == 0.0


def test_a_rate_below_one_a_second_is_kept() -> None:
    found = rates(0.5)

    found.take("farm", 2, 0.0)

    assert found.wait_s("farm", 0.0) == 2.0


@given(
    batches=st.lists(st.tuples(st.integers(1, 50), st.floats(0, 5)), min_size=1, max_size=30),
    per_s=st.floats(0.5, 100),
)
def test_who_waits_as_told_never_exceeds_its_rate_by_more_than_a_batch(
    batches: list[tuple[int, float]], per_s: float
) -> None:
    found, now_s, sent = rates(per_s), 0.0, 0
    for count, pause_s in batches:
        now_s += pause_s
        now_s += found.wait_s("farm", now_s)
        assert sent <= per_s * now_s + max(per_s, 1.0) + 1e-6  # of batches before this one
        found.take("farm", count, now_s)
        sent += count
