from __future__ import annotations

from pipeline.operations.supervisor.backoff import LONGEST_WAIT_S, STEADY_AFTER_S, Backoff


def test_the_first_restart_is_at_once_and_each_further_wait_doubles_up_to_the_longest() -> None:
    backoff = Backoff()

    waits = [backoff.wait_s(ran_s=0.1) for _ in range(10)]

    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert waits[-1] == LONGEST_WAIT_S


def test_the_longest_wait_holds_however_often_it_failed() -> None:
    backoff = Backoff()

    assert [backoff.wait_s(0.0) for _ in range(5_000)][-1] == LONGEST_WAIT_S


def test_a_run_that_was_steady_for_long_enough_starts_the_count_anew() -> None:
    for ran_s, expected_s in ((STEADY_AFTER_S - 0.1, 1.0), (STEADY_AFTER_S, 0.0), (STEADY_AFTER_S + 0.1, 0.0)):
        backoff = Backoff()
        backoff.wait_s(0.1)
        backoff.wait_s(0.1)

        assert backoff.wait_s(ran_s) == expected_s
