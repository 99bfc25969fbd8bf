"""The clock of our listening: it stands still while we did not listen, whoever of us it was."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rules.values.listening import GONE_NS, Listened, ListeningClock

S = 1_000_000_000
T = 1_795_000_000 * S


def clock_of(*ticks: tuple[str, float, float] | tuple[str, float, float, bool]) -> ListeningClock:
    """A clock after these ticks, in seconds after T."""
    clock = ListeningClock()
    for listener, from_s, to_s, *is_last in ticks:
        clock.take(Listened(listener, T + int(from_s * S), T + int(to_s * S), *is_last))
    return clock


def seconds(clock: ListeningClock) -> tuple[float, float]:
    """(complete, listened)."""
    return (clock.complete_ns - T) / S, clock.listened_ns / S


def test_time_passes_with_each_tick() -> None:
    assert seconds(clock_of(("a", 0, 0), ("a", 0, 1), ("a", 1, 2))) == (2, 2)


def test_time_between_two_ticks_and_in_neither_does_not_count() -> None:
    assert seconds(clock_of(("a", 0, 0), ("a", 0, 1), ("a", 61, 62), ("a", 62, 63))) == (63, 3)


def test_a_gateway_that_ended_and_came_back_under_another_name_did_not_listen_between() -> None:
    assert seconds(clock_of(("a", 0, 0), ("a", 0, 1, True), ("b", 10, 10), ("b", 10, 11))) == (11, 2)


def test_it_waits_for_every_listener_because_one_may_still_hold_messages() -> None:
    assert seconds(clock_of(("a", 0, 0), ("b", 0, 0), ("b", 0, 1), ("b", 1, 2))) == (0, 0)
    assert seconds(clock_of(("a", 0, 0), ("b", 0, 0), ("b", 0, 1), ("b", 1, 2), ("a", 0, 1))) == (1, 1)


def test_time_in_which_one_of_several_did_not_listen_does_not_count() -> None:
    both = [("a", 0, 0), ("b", 0, 0), ("a", 0, 1), ("b", 0, 1)]

    assert seconds(clock_of(*both, ("b", 1, 9), ("a", 5, 9))) == (9, 5)
    assert seconds(clock_of(*both, ("b", 3, 9), ("a", 5, 9))) == (9, 5), "gaps that overlap count once"


def test_a_listener_without_a_word_is_gone_after_a_while() -> None:
    gone_s = GONE_NS / S
    both = [("a", 0, 0), ("b", 0, 0), ("a", 0, 1)]

    assert seconds(clock_of(*both, ("b", 0, 1 + gone_s))) == (1, 1)
    assert seconds(clock_of(*both, ("b", 0, 1 + gone_s), ("b", 1 + gone_s, 2 + gone_s))) == (2 + gone_s, 1)
    assert seconds(clock_of(*both, ("b", 0, 2 + gone_s), ("b", 2 + gone_s, 3 + gone_s))) == (3 + gone_s, 2)


def test_a_listener_that_says_goodbye_is_gone_at_once() -> None:
    assert seconds(clock_of(("a", 0, 0), ("b", 0, 0), ("a", 0, 1, True), ("b", 0, 2), ("b", 2, 3))) == (3, 3)


def test_a_clock_that_is_set_back_counts_nothing_twice() -> None:
    assert seconds(clock_of(("a", 0, 0), ("a", 0, 100), ("a", 40, 40), ("a", 40, 41))) == (41, 101)


def test_a_repeated_tick_changes_nothing() -> None:
    assert seconds(clock_of(("a", 0, 0), ("a", 0, 1), ("a", 0, 1))) == (1, 1)


def test_a_reading_is_never_too_early_on_the_clock() -> None:
    clock = clock_of(("a", 0, 0), ("a", 0, 10))
    arrivals = np.array([T + 9 * S, T + 10 * S, T + 11 * S])

    assert (clock.times_of(arrivals) / S).tolist() == [10, 10, 11]


spans = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 3)), max_size=30)


@given(spans)
def test_it_counts_exactly_the_time_in_which_all_listened(steps: list[tuple[str, int, int]]) -> None:
    """Against a count of single seconds. Each listener goes on from where it was, after a pause of some seconds."""
    at = {"a": 0, "b": 0}
    ticks: list[tuple[str, float, float]] = [("a", 0, 0), ("b", 0, 0)]
    listened: dict[str, set[int]] = {"a": set(), "b": set()}
    for listener, pause, span in steps:
        begins = at[listener] + pause
        at[listener] = begins + span
        listened[listener] |= set(range(begins, begins + span))
        ticks.append((listener, begins, at[listener]))
        if max(at.values()) - min(at.values()) > GONE_NS / S:
            return  # then one is gone: another law
    complete = min(at.values())

    found = seconds(clock_of(*ticks))

    assert found == (
        complete,
        len([second for second in range(complete) if all(second in of for of in listened.values())]),
    )
