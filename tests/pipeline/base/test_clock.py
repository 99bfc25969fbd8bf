"""Steps of the host's clock: found, said and counted once each; what is no step is none."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import REGISTRY

from pipeline.base.clock import STEP_NS, Clock, ClockWatch, Step, Steps
from tests.support.manual_clock import ManualClock

T0 = 1_795_000_000_000_000_000  # 2026-11-18T11:06:40Z
S = 1_000_000_000


@pytest.mark.parametrize("by_ns", [STEP_NS + 1, -STEP_NS - 1, 370 * 86_400 * S, -20_000 * 86_400 * S])
def test_a_step_is_found_once_however_long_ago_the_last_look_was(by_ns: int) -> None:
    host = ManualClock(T0)
    watch = ClockWatch(host.clock)
    host.go(3_600 * S)
    host.step(by_ns)

    assert watch.look() == Step(host.wall_ns - by_ns, host.wall_ns)
    host.go(S)
    assert watch.look() is None


@pytest.mark.parametrize("by_ns", [0, STEP_NS, -STEP_NS])
def test_a_correction_of_up_to_a_second_is_no_step(by_ns: int) -> None:
    host = ManualClock(T0)
    watch = ClockWatch(host.clock)
    host.step(by_ns)

    assert watch.look() is None


def test_an_interruption_between_reading_both_clocks_is_no_step() -> None:
    host = ManualClock(T0)
    watch = ClockWatch(Clock(lambda: host.wall_ns, lambda: host.monotonic_ns))
    pauses = iter([7 * S])

    def interrupted() -> int:
        read = host.wall_ns
        host.go(next(pauses, 0))
        return read

    watch._clock = Clock(interrupted, lambda: host.monotonic_ns)

    assert watch.look() is None


def test_a_step_is_said_with_from_to_and_how_far_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    def counted() -> float:
        labels = {"process": "tested", "direction": "back"}
        return REGISTRY.get_sample_value("streamgauge_clock_steps_total", labels) or 0.0

    before = counted()
    steps = Steps("tested")
    with caplog.at_level(logging.WARNING, "pipeline.base.clock"):
        steps.note(Step(T0 + 1_200 * S, T0))

    assert counted() - before == 1
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "the host's clock was set back by 1,200.0 s (0:20:00), from 2026-11-18T11:26:40Z to 2026-11-18T11:06:40Z"
    ]
    assert steps.told()["last_step"] == {
        "from": "2026-11-18T11:26:40Z",
        "to": "2026-11-18T11:06:40Z",
        "by_seconds": -1200.0,
    }


def test_steps_are_counted_from_nought() -> None:
    """Both counts are there before the first step: Prometheus' increase() would not see one that begins at 1."""
    Steps("fresh")

    for direction in ("ahead", "back"):
        labels = {"process": "fresh", "direction": direction}
        assert REGISTRY.get_sample_value("streamgauge_clock_steps_total", labels) == 0


def test_a_clock_that_was_never_set_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pipeline.base.clock"):
        Steps("tested").note(Step(T0, 40 * S))

    assert "the host's clock says 1970-01-01T00:00:40Z, before this program was written (2025)" in caplog.text
