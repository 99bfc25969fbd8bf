"""What a group is told, and when: within, at and beyond each of its times."""

from __future__ import annotations

import pytest

from pipeline.alerting.routing.groups import GroupState, Member, Mute, MuteKind, decide
from pipeline.alerting.routing.tree import Timing

TIMING = Timing(wait_ns=30, interval_ns=300, repeat_ns=4_000)
NEW = GroupState(TIMING, opened_ns=1_000, told_ns=None)
TOLD = GroupState(TIMING, opened_ns=1_000, told_ns=2_000)
SILENCED = Mute(MuteKind.SILENCED, 5_000)


def member(
    name: str = "a", *, change: int = 1, told: int = 0, is_firing: bool = True, mute: Mute | None = None
) -> Member:
    return Member(name, is_firing, change, told, mute)


@pytest.mark.parametrize(("now_ns", "told"), [(1_029, ()), (1_030, ("a",)), (1_031, ("a",))])
def test_a_new_group_waits_for_more(now_ns: int, told: tuple[str, ...]) -> None:
    decision = decide(NEW, [member()], now_ns)

    assert decision.tells == told
    assert decision.due_ns == (now_ns + 4_000 if told else 1_030)


@pytest.mark.parametrize(("now_ns", "told"), [(2_299, ()), (2_300, ("a", "b")), (2_301, ("a", "b"))])
def test_a_change_is_told_with_all_that_fires_after_the_interval(now_ns: int, told: tuple[str, ...]) -> None:
    decision = decide(TOLD, [member(told=1), member("b")], now_ns)

    assert decision.tells == told


@pytest.mark.parametrize(("now_ns", "is_repeat"), [(5_999, False), (6_000, True), (6_001, True)])
def test_what_still_fires_is_told_again_after_the_repeat_interval(now_ns: int, is_repeat: bool) -> None:
    decision = decide(TOLD, [member(told=1)], now_ns)

    assert (bool(decision.tells), decision.is_repeat) == (is_repeat, is_repeat)
    assert decision.due_ns == (now_ns + 4_000 if is_repeat else 6_000)


def test_an_end_is_told_if_its_beginning_was_and_leaves_the_group() -> None:
    known, unknown = member("a", change=2, told=1, is_firing=False), member("b", change=2, is_firing=False)

    decision = decide(TOLD, [known, unknown], 3_000)

    assert decision.tells == ("a",)
    assert set(decision.leave) == {"a", "b"}
    assert decision.due_ns is None


def test_a_muted_alert_is_told_when_that_ends_and_its_end_at_once() -> None:
    assert decide(NEW, [member(mute=SILENCED)], 2_000).tells == ()
    assert decide(NEW, [member(mute=SILENCED)], 2_000).due_ns == 5_000
    assert decide(NEW, [member()], 5_000).tells == ("a",)
    assert decide(TOLD, [member(change=2, told=1, is_firing=False)], 3_000).tells == ("a",)


def test_a_muted_alert_is_left_out_of_what_the_others_are_told_with() -> None:
    decision = decide(NEW, [member("a", mute=SILENCED), member("b")], 2_000)

    assert (decision.tells, decision.muted) == (("b",), 1)


def test_an_alert_that_rose_is_told_anew() -> None:
    assert decide(TOLD, [member(change=2, told=1)], 3_000).tells == ("a",)


def test_times_of_a_clock_that_was_set_back_delay_nothing_for_longer() -> None:
    ahead = GroupState(Timing(), opened_ns=9_000, told_ns=9_000)

    assert decide(ahead, [member(change=2, told=1, is_firing=False)], 3_000).tells == ("a",)
    assert decide(GroupState(TIMING, 9_000, None), [member()], 3_000).due_ns == 3_030


def test_what_the_log_says_was_decided_is_told_whatever_the_time() -> None:
    assert decide(NEW, [member()], 1_000, is_decided=True).tells == ("a",)
    assert decide(NEW, [], 1_000, is_decided=True).tells == ()
