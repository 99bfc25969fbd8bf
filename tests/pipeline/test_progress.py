"""How far behind the worker says it is."""

import math

from pipeline.progress import Progress

NS = 1_000_000_000


def progress(next_offset: int, applied_offset: int, now_s: int = 100) -> Progress:
    return Progress(lambda: next_offset, lambda: now_s * NS, applied_offset)


def test_nothing_waits_when_everything_was_applied() -> None:
    upto = progress(next_offset=5, applied_offset=3)
    upto.applied(4, 90 * NS)

    assert (upto.frames_behind, upto.lag_s) == (0, 0.0)


def test_the_lag_counts_from_the_newest_message_applied() -> None:
    upto = progress(next_offset=8, applied_offset=3)
    upto.applied(4, 90 * NS)

    assert (upto.frames_behind, upto.lag_s) == (3, 10.0)


def test_the_lag_is_unknown_before_the_first_frame_after_a_start() -> None:
    assert math.isinf(progress(next_offset=8, applied_offset=3).lag_s)


def test_frames_without_messages_keep_the_last_arrival() -> None:
    """A batch of damaged frames has no arrival time."""
    upto = progress(next_offset=8, applied_offset=3)
    upto.applied(4, 90 * NS)
    upto.applied(5, 0)

    assert upto.lag_s == 10.0
