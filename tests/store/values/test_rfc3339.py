"""RFC 3339, checked against datetime."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.values.times import parse_rfc3339, rfc3339

SECONDS = 1_700_000_000


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_a_written_time_reads_back(time_ns: int) -> None:
    assert parse_rfc3339(rfc3339(time_ns)) == time_ns


def test_written_times_are_what_datetime_says() -> None:
    assert rfc3339(SECONDS * 10**9) == datetime.fromtimestamp(SECONDS, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("digits", "fraction"), [(None, ".00125"), (0, ""), (3, ".001"), (6, ".001250"), (9, ".001250000")]
)
def test_a_fraction_has_the_digits_that_are_asked_for_or_as_many_as_it_needs(digits: int | None, fraction: str) -> None:
    assert rfc3339(SECONDS * 10**9 + 1_250_000, digits) == f"2023-11-14T22:13:20{fraction}Z"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2023-11-14T22:13:20Z", 0), ("2023-11-14 23:13:21+01:00", 1), ("2023-11-14t20:13:22-02:00", 2)],
)
def test_a_time_is_read_with_its_offset(text: str, seconds: int) -> None:
    assert parse_rfc3339(text) == (SECONDS + seconds) * 10**9


@pytest.mark.parametrize(
    "text", ["", "2023-11-14", "2023-11-14T22:13:20", "2023-13-14T22:13:20Z", "2023-11-14T22:13:20.0000000001Z", "x"]
)
def test_what_has_no_offset_or_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # datetime's own words where the day does not exist
        parse_rfc3339(text)
