"""Interrupted work ends, also in Python loops and while it waits; other work is not affected."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from store.engine import interruption
from store.engine.interruption import Interruption, StopReason
from store.errors import QueryCancelled, QueryTimeout


def test_a_loop_that_checks_ends_when_its_time_is_over() -> None:
    def endless() -> None:
        while True:
            interruption.check()

    with Interruption(timeout_s=0.01), pytest.raises(QueryTimeout, match=r"0\.01 s"):
        endless()


def test_a_wait_for_others_ends_when_the_work_is_cancelled() -> None:
    never: Future[None] = Future()
    stop = Interruption()

    def wait() -> None:
        with stop:
            interruption.result_of(never)

    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(wait)
        stop.stop(StopReason.CANCELLED)

        with pytest.raises(QueryCancelled):
            waiting.result(30)


def test_a_timeout_raised_by_the_future_is_passed_on() -> None:
    failed: Future[None] = Future()
    failed.set_exception(TimeoutError("theirs"))

    with Interruption(), pytest.raises(TimeoutError, match="theirs"):
        interruption.result_of(failed)


def test_the_first_reason_counts() -> None:
    stop = Interruption()

    stop.stop(StopReason.HANG_UP)
    stop.stop(StopReason.CANCELLED)

    assert stop.reason is StopReason.HANG_UP


def test_the_time_of_a_pause_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(interruption, "time", SimpleNamespace(monotonic=lambda: now_s[0]))

    with Interruption(timeout_s=100.0) as work:
        now_s[0] = 30.0
        with work.pausing():
            now_s[0] = 1_000.0
            assert work._left_s() == 70.0
        now_s[0] = 1_010.0
        assert work._left_s() == 60.0


def test_outside_of_it_nothing_is_ended() -> None:
    with Interruption() as stop:
        stop.stop(StopReason.CANCELLED)

    interruption.check()
    assert interruption.current() is None
