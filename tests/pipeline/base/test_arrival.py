"""Arrival stamps: unique in a process, in order while the clock goes on, and with the host's clock when it is set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from pipeline.base.arrival import IGNORED_NS, SLEWED_NS, SPACING_NS, ArrivalStamps
from tests.support.manual_clock import ManualClock

T0 = 1_795_000_000_000_000_000
S = 1_000_000_000


def test_messages_that_come_together_are_a_microsecond_apart_in_their_order() -> None:
    stamps = ArrivalStamps(ManualClock(T0).clock)

    assert stamps.take(3) == T0
    assert stamps.take() == T0 + 3 * SPACING_NS


@pytest.mark.parametrize("by_ns", [1200 * S, -1200 * S, -20_000 * 86_400 * S, SLEWED_NS + 1, -SLEWED_NS - 1])
def test_a_clock_that_is_set_by_more_than_a_second_is_followed_at_once(by_ns: int) -> None:
    host = ManualClock(T0)
    stamps = ArrivalStamps(host.clock)
    stamps.take(10)
    host.go(5 * S)
    host.step(by_ns)

    assert 0 <= stamps.take() - host.wall_ns + SPACING_NS < 2 * SPACING_NS


@pytest.mark.parametrize("by_ns", [SLEWED_NS, -SLEWED_NS])
def test_a_correction_of_a_second_keeps_the_order_and_nearly_the_distances(by_ns: int) -> None:
    host = ManualClock(T0)
    stamps = ArrivalStamps(host.clock)
    before_ns = stamps.take()
    host.step(by_ns)
    for _ in range(10):
        host.go(S)
        stamp_ns = stamps.take()
        assert 0.8 * S < stamp_ns - before_ns < 1.2 * S
        before_ns = stamp_ns

    assert abs(stamp_ns - host.wall_ns) < IGNORED_NS + SPACING_NS  # and it agrees with the clock in the end


moves = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 999, 1_000, 1_000_000, S]),  # passes
        st.sampled_from([0, 0, 0, 1, -1, S // 2, -S // 2, -S, 2 * S, -2 * S, -3600 * S]),  # the clock is set by it
        st.integers(1, 5),  # messages come
    ),
    max_size=60,
)


@given(moves)
def test_no_stamp_is_given_twice_however_the_clock_is_set(moves: list[tuple[int, int, int]]) -> None:
    host = ManualClock(T0)
    stamps = ArrivalStamps(host.clock, first_pass=997)
    given: list[int] = []
    for passes_ns, by_ns, count in moves:
        host.go(passes_ns)
        host.step(by_ns)
        first_ns = stamps.take(count)
        given += range(first_ns, first_ns + count * SPACING_NS, SPACING_NS)
        assert abs(first_ns - host.wall_ns) <= SLEWED_NS + 1_000 * SPACING_NS

    assert len(set(given)) == len(given)


def test_a_time_that_the_clock_comes_to_twice_is_stamped_with_other_digits() -> None:
    host = ManualClock(T0)
    stamps = ArrivalStamps(host.clock)
    first_ns = stamps.take()
    host.go(60 * S)
    stamps.take()
    host.step(-60 * S)

    assert stamps.take() == first_ns + 1


def test_what_is_stamped_by_a_clock_that_was_never_set_is_counted() -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("streamgauge_clock_unset_messages_total") or 0.0

    before = counted()
    ArrivalStamps(ManualClock(T0).clock).take(5)
    ArrivalStamps(ManualClock(40 * S).clock).take(3)

    assert counted() - before == 3
