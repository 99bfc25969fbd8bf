from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from normalise_frames import ARRIVAL_NS, normalise, rows, the_letter

from pipeline.base.errors import PayloadError
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.event_time import NS_PER_UNIT, decimals, time_ns_of
from pipeline.stream.normalise.routes import MAX_TIME_NS, Route, TimeField, TimeUnit
from pipeline.stream.normalise.templates import TopicTemplate
from store.values.time_zones import zone_called

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "unit", "time_ns"),
    [
        (1, TimeUnit.S, 10**9),
        (1758639600123, TimeUnit.MS, 1758639600123 * 10**6),
        (1758639600123456, TimeUnit.US, 1758639600123456 * 10**3),
        (1758639600123456789, TimeUnit.NS, 1758639600123456789),
        (1758639600.123, TimeUnit.S, 1758639600123000000),
        (1758639600123.25, TimeUnit.MS, 1758639600123250000),
        (1.5, TimeUnit.NS, 2),
        (0, TimeUnit.S, 0),
        ("1e-99999999999999999999", TimeUnit.S, 0),
        (MAX_TIME_NS, TimeUnit.NS, MAX_TIME_NS),
        ("1970-01-01T00:00:01Z", TimeUnit.ISO8601, 10**9),
        ("2026-11-23T10:02:05.123456789Z", TimeUnit.ISO8601, 1795428125123456789),
        ("2026-11-23t12:02:05,5+02:00", TimeUnit.ISO8601, 1795428125500000000),
        ("2026-11-23 04:32:05-0530", TimeUnit.ISO8601, 1795428125000000000),
        ("2026-11-23T10:02Z", TimeUnit.ISO8601, 1795428120000000000),
        ("2262-04-11T23:47:16.854775807Z", TimeUnit.ISO8601, MAX_TIME_NS),
        ("1758639600", TimeUnit.S, 1758639600 * 10**9),
        (" 1758639600.0 ", TimeUnit.S, 1758639600 * 10**9),
        ("1758639600.123456789", TimeUnit.S, 1758639600123456789),
        ("1758639600123456789", TimeUnit.NS, 1758639600123456789),
        ("20261123T100205Z", TimeUnit.ISO8601, 1795428125000000000),
        ("20261123T1002+01", TimeUnit.ISO8601, 1795424520000000000),
        (" 2026-11-23T10:02:05 Z", TimeUnit.ISO8601, 1795428125000000000),
        ("2026-11-23 10:02:05 UTC", TimeUnit.ISO8601, 1795428125000000000),
        ("2026-11-23T11:02:05 +0100", TimeUnit.ISO8601, 1795428125000000000),
        ("2026-11-23T10:02:05.1234567899Z", TimeUnit.ISO8601, 1795428125123456789),
        ("2016-12-31T23:59:60Z", TimeUnit.ISO8601, 1483228800000000000),
        ("2026-11-23T24:00:00Z", TimeUnit.ISO8601, 1795478400000000000),
    ],
)
def test_times_are_read_as_they_are_written(value: Any, unit: TimeUnit, time_ns: int) -> None:
    assert time_ns_of(value, TimeField("ts", unit), ARRIVAL_NS) == time_ns


@pytest.mark.parametrize(
    ("value", "unit", "reason"),
    [
        ("x1758639600", TimeUnit.S, Reason.TIME_UNREADABLE),
        ("1e999999999", TimeUnit.S, Reason.TIME_OUT_OF_RANGE),
        (decimals(b"9e99999999999"), TimeUnit.MS, Reason.TIME_OUT_OF_RANGE),
        (decimals(b"9e99999999999999999999"), TimeUnit.MS, Reason.TIME_UNREADABLE),
        ("2021-10-25T14:00:00Z+0200", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("2026-11-23T24:00:01Z", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("2026-11-23T10:60:00Z", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("2026-11-23T10:02:05.Z", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("2026-W48-1T10:02:05Z", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("+2026-11-23T10:02:05Z", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        (True, TimeUnit.S, Reason.TIME_UNREADABLE),
        ("2026-11-23T10:02:05Z", TimeUnit.MS, Reason.TIME_UNREADABLE),
        (1758639600, TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("2026-11-23T10:02:05", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("2026-02-30T10:02:05Z", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("2026-11-23T10:02:05+25:00", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("0000-11-23T10:02:05Z", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        ("yesterday", TimeUnit.ISO8601, Reason.TIME_UNREADABLE),
        (-1, TimeUnit.MS, Reason.TIME_OUT_OF_RANGE),
        (MAX_TIME_NS + 1, TimeUnit.NS, Reason.TIME_OUT_OF_RANGE),
        (1e300, TimeUnit.S, Reason.TIME_OUT_OF_RANGE),
        (2**64 - 1, TimeUnit.NS, Reason.TIME_OUT_OF_RANGE),
        ("1969-12-31T23:59:59.999Z", TimeUnit.ISO8601, Reason.TIME_OUT_OF_RANGE),
        ("2262-04-11T23:47:16.854775808Z", TimeUnit.ISO8601, Reason.TIME_OUT_OF_RANGE),
    ],
)
def test_unreadable_times_and_times_out_of_range_are_refused(value: Any, unit: TimeUnit, reason: Reason) -> None:
    with pytest.raises(PayloadError) as refused:
        time_ns_of(value, TimeField("ts", unit), ARRIVAL_NS)

    assert refused.value.reason is reason
    assert (str(value) if isinstance(value, Decimal) else repr(value)) in str(refused.value)


@given(st.integers(0, MAX_TIME_NS // 1_000 - 1), st.integers(-1439, 1439))
def test_text_that_python_writes_comes_back(time_us: int, offset_minutes: int) -> None:
    zone = timezone(timedelta(minutes=offset_minutes))
    text = (EPOCH + timedelta(microseconds=time_us)).astimezone(zone).isoformat()

    assert time_ns_of(text, TimeField("ts", TimeUnit.ISO8601), ARRIVAL_NS) == time_us * 1_000


@given(st.decimals("0", "2000000000", places=6))
def test_decimal_seconds_are_exact_to_the_microsecond(seconds: Decimal) -> None:
    assert time_ns_of(float(seconds), TimeField("ts", TimeUnit.S), ARRIVAL_NS) == int(seconds * NS_PER_UNIT[TimeUnit.S])


@pytest.mark.parametrize(
    ("digits", "time_ns"),
    [
        ("1758639600.123456789", 1758639600123456789),
        ("1758639600.100000001", 1758639600100000001),
        ("1758639600.250", 1758639600250000000),
        ("1.7586396e9", 1758639600000000000),
        ("1758639600.1234567", 1758639600123456700),
    ],
)
@pytest.mark.parametrize("others", ["", ',"x":[0.1]', ',"x":{"y":0.5}'])
def test_the_digits_of_the_payload_count_where_a_double_does_not_tell_them(
    digits: str, time_ns: int, others: str
) -> None:
    body = f'{{"ts":{digits},"a":1{others}}}'.encode()

    normalised = normalise({"ts": 1758639600, "a": 1}, body, body, route=in_seconds())

    assert [row["time_ns"] for row in rows(normalised.batches[0])][1:] == [time_ns, time_ns]


BERLIN = TimeField("ts", TimeUnit.ISO8601, zone_called("Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "arrival", "utc"),
    [
        ("2026-11-29T02:00:00", "2026-11-29T01:00:00Z", "2026-11-29T01:00:00Z"),  # winter
        ("2026-07-01 02:00:00.5", "2026-07-01T00:00:00Z", "2026-07-01T00:00:00.5Z"),  # summer
        ("20260701T020000", "2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        ("2026-07-01T02:00:00Z", "2026-07-01T02:00:00Z", "2026-07-01T02:00:00Z"),  # an offset of its own counts
        ("2026-10-25T02:30:00", "2026-10-25T00:30:01Z", "2026-10-25T00:30:00Z"),  # the hour that comes twice
        ("2026-10-25T02:30:00", "2026-10-25T01:30:01Z", "2026-10-25T01:30:00Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z"),  # the hour that the clock skipped
    ],
)
def test_local_times_are_those_of_the_tables_zone(text: str, arrival: str, utc: str) -> None:
    arrival_ns, utc_ns = (time_ns_of(moment, TimeField("ts", TimeUnit.ISO8601), 0) for moment in (arrival, utc))

    assert time_ns_of(text, BERLIN, arrival_ns) == utc_ns


def test_a_local_time_without_a_zone_is_refused_with_what_to_say() -> None:
    with pytest.raises(PayloadError, match=r"time: {field: ts, unit: iso8601, zone: Europe/Berlin}"):
        time_ns_of("2026-11-29T02:00:00", TimeField("ts", TimeUnit.ISO8601), 0)


def in_seconds() -> Route:
    return Route("d", "t", TopicTemplate("#"), time=TimeField("ts", TimeUnit.S))


def timed(**limits: Any) -> Route:
    return Route("d", "t", TopicTemplate("#"), time=TimeField("ts", TimeUnit.NS), **limits)


@pytest.mark.parametrize("other", [{}, {"time": [{}]}])
@pytest.mark.parametrize(
    ("ahead_ns", "reason"),
    [
        (99, None),
        (100, None),
        (101, Reason.TOO_FAR_AHEAD),
        (-999, None),
        (-1000, None),
        (-1001, Reason.TOO_LATE),
    ],
)
def test_a_time_may_lie_within_the_limits_seen_from_its_arrival(
    ahead_ns: int, reason: Reason | None, other: dict[str, Any]
) -> None:
    normalised = normalise({"ts": ARRIVAL_NS + ahead_ns, "b": 1, **other}, route=timed(future_ns=100, late_ns=1000))

    if reason is None:
        assert rows(normalised.batches[0])[0]["time_ns"] == ARRIVAL_NS + ahead_ns
    else:
        assert the_letter(normalised).reason is reason


@pytest.mark.parametrize("body", [{"a": 1}, {"ts": None, "a": 1}, 21.5, [{"a": 1}, {}]])
def test_a_configured_time_that_is_absent_refuses_the_message(body: Any) -> None:
    letter = the_letter(normalise(body, route=timed()))

    assert letter.reason is Reason.TIME_MISSING
    assert "'ts'" in letter.detail


@pytest.mark.parametrize(
    ("payload", "reason", "told"),
    [
        (
            b"not json",
            Reason.INVALID_JSON,
            "not JSON, and a text alone has no field 'ts', which is the time: 'not json'",
        ),
        (b'"text"', Reason.TIME_MISSING, "a value alone has no field 'ts', which is the time: 'text'"),
        (b"21.5", Reason.TIME_MISSING, "a value alone has no field 'ts', which is the time: 21.5"),
        (b'{"value": "x"}', Reason.TIME_MISSING, "the field 'ts', which is the time, is not there"),
    ],
)
def test_what_has_no_fields_at_all_is_told(payload: bytes, reason: Reason, told: str) -> None:
    letter = the_letter(normalise(payload, route=timed()))

    assert (letter.reason, letter.detail) == (reason, told)


def test_without_limits_any_time_back_to_1970_is_taken() -> None:
    (row,) = rows(normalise({"ts": 0, "a": 1}, route=timed()).batches[0])

    assert row["time_ns"] == 0


def test_the_time_may_be_inside_an_object() -> None:
    inside = Route("d", "t", TopicTemplate("#"), time=TimeField("meta_ts", TimeUnit.S))

    (row,) = rows(normalise({"meta": {"ts": 5, "rssi": -70}}, route=inside).batches[0])

    assert (row["time_ns"], row["measures"]) == (5 * 10**9, {"meta_rssi": -70.0})
