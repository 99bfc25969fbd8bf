"""When a child that ended is started again."""

from __future__ import annotations

from pipeline.operations.supervisor.child import restart_after_s


def test_the_first_restart_is_at_once_and_each_further_wait_doubles_up_to_the_longest() -> None:
    assert [restart_after_s(failures) for failures in range(1, 9)] == [0.0, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
