"""Bins begin at the start of local days and weeks, checked with zoneinfo for every instant."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.reading.bins import DAY_NS, WEEK_NS, Bins

S = 1_000_000_000
ZONES = [
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "America/Santiago",
    "America/Havana",
    "Asia/Kolkata",
]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * S


def start_ns(bins: Bins, time_ns: int, from_ns: int, to_ns: int) -> int:
    """The start of the bin of a time, as DuckDB computes it."""
    sql = bins.sql("CAST(? AS BIGINT)", from_ns, to_ns)
    found = duckdb.execute(f"SELECT {sql}", [time_ns] * sql.count("?")).fetchone()
    assert found is not None
    return bins.instant_ns(int(found[0]))


@pytest.mark.parametrize("day", range(7))
def test_weeks_begin_on_mondays(day: int) -> None:
    monday = ns("2026-11-23T00:00:00Z")

    assert start_ns(Bins(WEEK_NS), monday + day * DAY_NS + 1, 0, 2**62) == monday


def test_bins_of_other_widths_begin_at_multiples_since_1970() -> None:
    for width_ns in (60 * S, DAY_NS, 7 * S, 3 * DAY_NS):
        assert start_ns(Bins(width_ns), ns("2026-11-23T10:11:12Z"), 0, 2**62) % width_ns == 0


@pytest.mark.parametrize(
    ("time", "start"),
    [
        ("2026-10-24T21:59:59Z", "2026-10-23T22:00:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-24T22:00:00Z"),
        ("2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z"),  # a day of 25 hours
        ("2026-10-25T23:00:00Z", "2026-10-25T23:00:00Z"),
        ("2026-03-29T21:59:59Z", "2026-03-28T23:00:00Z"),  # of 23 hours
        ("2026-03-29T22:00:00Z", "2026-03-29T22:00:00Z"),
    ],
)
def test_a_day_of_berlin_ends_at_midnight_also_when_clocks_change(time: str, start: str) -> None:
    bins = Bins(DAY_NS, ZoneInfo("Europe/Berlin"))

    assert start_ns(bins, ns(time), ns("2026-01-01T00:00:00Z"), ns("2027-01-01T00:00:00Z")) == ns(start)


@given(
    st.sampled_from(ZONES),
    st.integers(min_value=ns("2024-01-01T00:00:00Z") // S, max_value=ns("2027-01-01T00:00:00Z") // S),
    st.sampled_from([1, 7]),
)
def test_every_instant_is_in_the_local_day_or_week_that_zoneinfo_says(name: str, instant_s: int, days: int) -> None:
    zone = ZoneInfo(name)
    local = datetime.fromtimestamp(instant_s, zone)
    first = local.date() - timedelta(days=local.weekday() if days == 7 else 0)
    expected = datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)

    found = start_ns(Bins(days * DAY_NS, zone), instant_s * S, (instant_s - 40 * 86_400) * S, (instant_s + 1) * S)

    assert found == int(expected.timestamp()) * S
