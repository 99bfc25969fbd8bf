"""When the log is full, and for whom."""

import pytest

from pipeline.log.embedded.limits import RESERVE_BYTES, Limits
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS

MAX = 1 << 30
LIMITS = Limits(max_bytes=MAX, min_free_bytes=1000)


@pytest.mark.parametrize(("held", "is_refused"), [(MAX - 1, False), (MAX, False), (MAX + 1, True)])
def test_readings_stop_at_max_bytes(held: int, is_refused: bool) -> None:
    assert (LIMITS.refusal(READINGS, held, 5000) is not None) is is_refused


@pytest.mark.parametrize("topic", [ALERTS, DEAD_LETTERS])
@pytest.mark.parametrize(("beyond", "is_refused"), [(-1, False), (0, False), (1, True)])
def test_what_the_worker_appends_may_use_a_reserve(topic: str, beyond: int, is_refused: bool) -> None:
    assert (LIMITS.refusal(topic, MAX + RESERVE_BYTES + beyond, 5000) is not None) is is_refused


@pytest.mark.parametrize(
    ("topic", "free", "is_refused"),
    [
        (READINGS, 1001, False),
        (READINGS, 1000, False),
        (READINGS, 999, True),
        (ALERTS, 501, False),
        (ALERTS, 500, False),
        (ALERTS, 499, True),
    ],
)
def test_a_part_of_the_disk_is_left_free(topic: str, free: int, is_refused: bool) -> None:
    assert (LIMITS.refusal(topic, 0, free) is not None) is is_refused


def test_a_refusal_says_which_limit_what_was_asked_and_what_is_allowed() -> None:
    assert LIMITS.refusal(READINGS, MAX + 7, 5000) == (
        f"it would hold {MAX + 7} bytes, log.max_bytes allows {MAX} for readings"
    )
    assert LIMITS.refusal(READINGS, 0, 999) == "the disk has 999 bytes left, log.min_free keeps 1000 from readings"
