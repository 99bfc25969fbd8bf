"""Times and durations in parameters."""

import pytest

from pipeline.api.http.problems import Problem
from pipeline.api.http.times import duration_ns, time_ns

NOW = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T10:00:00Z", 1_795_428_000 * 10**9),
        ("2026-11-23T10:00:00.5Z", 1_795_428_000 * 10**9 + 500_000_000),
        ("2026-11-23T10:00:00.123456789Z", 1_795_428_000 * 10**9 + 123_456_789),
        ("2026-11-23T12:00:00+02:00", 1_795_428_000 * 10**9),
        ("2026-11-23t10:00:00z", 1_795_428_000 * 10**9),
        ("1h", NOW - 3600 * 10**9),
        ("90s", NOW - 90 * 10**9),
    ],
)
def test_a_time_is_rfc_3339_or_relative(text: str, expected: int) -> None:
    assert time_ns("from", text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-23", "2026-11-23T10:00:00", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "-1h"],
)
def test_what_is_no_time_is_refused_by_parameter_and_value(text: str) -> None:
    with pytest.raises(Problem) as caught:
        time_ns("from", text, NOW)

    assert caught.value.status == 400
    assert caught.value.members["parameter"] == "from"
    assert f"from={text}" in caught.value.detail


@pytest.mark.parametrize("fraction", ["", ".5"])
def test_a_plus_that_came_as_a_blank_is_read_as_it_was_meant(fraction: str) -> None:
    """It does where nobody escaped it in a URL."""
    meant = time_ns("to", f"2026-11-23T12:00:00{fraction}+02:00", NOW)

    assert time_ns("to", f"2026-11-23T12:00:00{fraction} 02:00", NOW) == meant


@pytest.mark.parametrize("text", ["0s", "5", "m", "1.5h", "5 m", "-5m", "1y"])
def test_a_duration_is_a_positive_whole_number_and_a_unit(text: str) -> None:
    with pytest.raises(Problem, match="bin="):
        duration_ns("bin", text)
