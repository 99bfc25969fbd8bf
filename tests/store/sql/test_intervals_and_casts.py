"""Intervals, dates, times of day and lengths of types are Trino's, and what is wrong with one is told."""

import pytest
from sql_database import Database

from store.sql import SqlError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT INTERVAL '1.5' DAY", "line 1:17: Invalid INTERVAL DAY value: 1.5"),
        ("SELECT INTERVAL '1' QUARTER", "Invalid interval unit 'QUARTER'; there are YEAR, MONTH, DAY"),
        ("SELECT INTERVAL '1' MONTH TO DAY", "Invalid interval unit 'MONTH TO DAY'"),
        (
            "SELECT INTERVAL '1' MONTH + INTERVAL '1' DAY",
            "'+' cannot be applied to interval year to month, interval day",
        ),
        ("SELECT DATE '2020-01-31' + 1h", "Cannot add hour, minutes or seconds to a date"),
        ("SELECT DATE '2020-01-31' + x FROM (VALUES 1h) AS t(x)", "Cannot add hour, minutes or seconds to a date"),
        ("SELECT date_add('hour', 1, DATE '2020-02-28')", "'hour' is not a valid DATE field; there are day, month"),
        ("SELECT date_trunc('days', now())", "'days' is not a valid TIMESTAMP field (did you mean 'day'?)"),
        ("SELECT CAST(now() AS TIMESTAMP WITH TIME ZONE)", "timestamp with time zone in CAST; write x AT TIME ZONE"),
        ("SELECT CAST('a' AS DECIMAL)", "Unknown type: decimal; there are boolean, integer"),
        ("SELECT CAST(ARRAY['abc'] AS ARRAY(VARCHAR(2)))", "VARCHAR(2) within another type is not offered"),
        ("SELECT CAST(12345 AS VARCHAR(3))", "Value 12345 cannot be represented as varchar(3)"),
    ],
)
def test_a_wrong_time_or_type_says_what_is_wrong(empty: Database, text: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        empty.rows(text)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("date_trunc('month', TIMESTAMP '2020-02-29 10:00:00')", "2020-02-01 00:00:00.000000000"),
        ("date_trunc('quarter', TIMESTAMP '2020-06-30 10:00:00')", "2020-04-01 00:00:00.000000000"),
        ("date_trunc('week', TIMESTAMP '1969-12-31 10:00:00')", "1969-12-29 00:00:00.000000000"),
        ("date_trunc('year', TIMESTAMP '2020-06-30 10:00:00')", "2020-01-01 00:00:00.000000000"),
        ("INTERVAL '0.000000001' SECOND", "0 00:00:00.000000001"),
        ("TRY_CAST(12345 AS VARCHAR(3))", None),
        ("CAST(x AS VARCHAR(3))", "202"),
        ("CAST(x AS TIMESTAMP(0))", "2020-06-30 10:00:01.000000000"),
        ("CAST(CAST('23:59:59.9' AS TIME) AS TIME(0))", "00:00:00.000000000"),
        ("TIMESTAMP '2020-06-30 10:00:00.5 UTC'", "2020-06-30 10:00:00.500000000"),
        ("TIMESTAMP '2020-06-30 10:00:00 +02:00'", "2020-06-30 08:00:00.000000000"),
    ],
)
def test_a_time_or_interval_has_this_value(empty: Database, expression: str, value: str | None) -> None:
    assert empty.value(f"SELECT {expression} FROM (VALUES '2020-06-30 10:00:00.5') AS t(x)") == value


@pytest.mark.parametrize(
    ("time", "arguments", "value"),
    [
        ("2026-06-17 10:15:20", "1d, 6h", "2026-06-17 06:00:00.000000000"),
        ("2026-06-17 05:15:20", "1d, 6h", "2026-06-16 06:00:00.000000000"),
        ("2026-06-17 10:15:20", "1d, 'UTC'", "2026-06-17 00:00:00.000000000"),
        ("2026-06-17 22:15:20", "1d, 'Europe/Paris'", "2026-06-17 22:00:00.000000000"),
        ("2026-06-17 21:59:59.999999999", "1d, 'Europe/Paris'", "2026-06-16 22:00:00.000000000"),
        ("2026-12-17 22:15:20", "1d, 'Europe/Paris'", "2026-12-16 23:00:00.000000000"),
        # on the days when clocks are changed, at 01:00 UTC
        ("2026-03-29 00:30:00", "1d, 'Europe/Paris'", "2026-03-28 23:00:00.000000000"),
        ("2026-03-29 10:00:00", "1d, 'Europe/Paris'", "2026-03-28 23:00:00.000000000"),
        ("2026-10-25 10:00:00", "1d, 'Europe/Paris'", "2026-10-24 22:00:00.000000000"),
        ("2026-10-25 00:30:00", "1h, 'Europe/Paris'", "2026-10-25 00:00:00.000000000"),
        ("2026-10-25 01:30:00", "1h, 'Europe/Paris'", "2026-10-25 01:00:00.000000000"),
        ("2026-03-29 01:10:00", "2h, 'Europe/Paris'", "2026-03-29 01:00:00.000000000"),
        ("2026-03-29 01:10:00", "40m, 'Europe/Paris'", "2026-03-29 00:40:00.000000000"),
        ("1969-12-31 10:00:00", "1d, 'Asia/Kolkata'", "1969-12-30 18:30:00.000000000"),
    ],
)
def test_a_bin_has_an_offset_or_is_by_the_clocks_of_a_zone(
    empty: Database, time: str, arguments: str, value: str
) -> None:
    text = f"SELECT bin(t, {arguments}), bin(TIMESTAMP '{time}', {arguments}) FROM (VALUES TIMESTAMP '{time}') AS p(t)"

    assert empty.rows(text) == [(value, value)]


def test_a_zone_that_there_is_not_is_told(empty: Database) -> None:
    with pytest.raises(SqlError, match="Unknown TimeZone 'Europe/Nowhere'"):
        empty.rows("SELECT bin(now(), 1d, 'Europe/Nowhere')")
