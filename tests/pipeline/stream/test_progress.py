"""How far behind the worker says it is."""

from pipeline.stream.progress import Progress

NS = 1_000_000_000


def progress(next_offset: int, applied_offset: int, waiting_since_s: int | None = 95) -> Progress:
    arrival_ns = None if waiting_since_s is None else waiting_since_s * NS
    return Progress(lambda: next_offset, lambda _: arrival_ns, lambda: 100 * NS, applied_offset)


def test_nothing_waits_when_everything_was_applied() -> None:
    upto = progress(next_offset=5, applied_offset=3)
    upto.applied(4, 90 * NS)

    assert (upto.frames_behind, upto.lag_s) == (0, 0.0)


def test_the_lag_counts_from_the_oldest_message_that_waits() -> None:
    """Not from the newest applied: after an idle hour, the first message is not an hour late."""
    upto = progress(next_offset=8, applied_offset=3, waiting_since_s=99)
    upto.applied(4, 10 * NS)

    assert (upto.frames_behind, upto.lag_s) == (3, 1.0)


def test_after_a_start_the_lag_is_that_of_what_the_log_holds() -> None:
    assert progress(next_offset=8, applied_offset=3, waiting_since_s=40).lag_s == 60.0


def test_a_replayed_dead_letter_waits_since_its_replay_at_most() -> None:
    """It carries its first arrival stamp, which is older than what was applied since."""
    upto = progress(next_offset=8, applied_offset=3, waiting_since_s=1)
    upto.applied(4, 90 * NS)

    assert upto.lag_s == 10.0


def test_a_damaged_frame_counts_from_the_newest_message_applied() -> None:
    upto = progress(next_offset=8, applied_offset=3, waiting_since_s=None)
    assert upto.lag_s == 0.0

    upto.applied(4, 90 * NS)
    upto.applied(5, 0)

    assert upto.lag_s == 10.0


def test_stamps_of_before_the_clock_was_set_back_do_not_hide_the_lag() -> None:
    upto = progress(next_offset=8, applied_offset=3, waiting_since_s=95)
    upto.applied(4, 1_300 * NS)

    assert upto.lag_s == 5.0
