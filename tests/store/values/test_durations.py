"""Durations: one grammar for configurations, rules, fleets and requests."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.values.durations import LONGEST, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("365d", timedelta(days=365)),
        ("2w", timedelta(weeks=2)),
        ("73000d", LONGEST),
    ],
)
def test_durations_are_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "value", ["", "5", 5, 5.0, True, None, "5 m", "5M", "-5m", "1.5h", "1h30m", "\u0665m", "5m\n", "m"]
)
def test_what_is_no_duration_is_refused_with_the_value(value: object) -> None:
    with pytest.raises(ValueError, match="is not a duration") as refusal:
        parse_duration(value)

    assert str(value) in str(refusal.value)


@pytest.mark.parametrize("text", ["0s", "0d", "73001d", "999999999999w", "6307200001s"])
def test_durations_of_nothing_and_beyond_timestreams_longest_are_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        parse_duration(text)


@given(st.integers(1, LONGEST // timedelta(milliseconds=1)))
def test_a_formatted_duration_reads_as_itself(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration


def test_zero_is_a_duration_only_where_it_may_be() -> None:
    assert parse_duration("0s", may_be_zero=True) == timedelta(0)
    with pytest.raises(ValueError, match='"0s" is out of range; a duration is more than 0s'):
        parse_duration("0s")


def test_a_duration_is_as_long_as_the_place_allows() -> None:
    assert parse_duration("3650d", longest=timedelta(days=3650)) == timedelta(days=3650)
    with pytest.raises(ValueError, match='"3651d" is out of range; a duration is more than 0s and at most 3650d'):
        parse_duration("3651d", longest=timedelta(days=3650))
