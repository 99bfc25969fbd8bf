"""Schedules: rates count from the creation, cron is AWS's, with a zone if one is named; what is wrong is said."""

from datetime import UTC, datetime, timedelta

import pytest

from store.endpoint.scheduled.schedule import CATCH_UP_NS, SECOND_NS, due_run, parse_schedule

CREATED = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND_NS


def runs(text: str, after: datetime, count: int = 1) -> list[str]:
    schedule, found = parse_schedule(text, ns(CREATED)), [ns(after)]
    for _ in range(count):
        following = schedule(found[-1])
        if following is None:
            break
        found.append(following)
    return [f"{datetime.fromtimestamp(run // SECOND_NS, UTC):%Y-%m-%d %H:%M:%S}" for run in found[1:]]


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("rate(1 minute)", "12:01:07", "12:02:07"),
        ("rate(5 minutes)", "12:05:07", "12:10:07"),
        ("rate(2 hours)", "14:00:07", "16:00:07"),
    ],
)
def test_rates_count_from_the_creation(text: str, first: str, second: str) -> None:
    assert runs(text, CREATED, 2) == [f"2026-03-01 {first}", f"2026-03-01 {second}"]
    assert runs(text, CREATED - timedelta(days=3)) == [f"2026-03-01 {first}"]


@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ("0 10 * * ? *", ["03-02 10:00", "03-03 10:00"]),
        ("15 12 * * ? *", ["03-01 12:15", "03-02 12:15"]),
        (
            "0 18 ? * MON-FRI *",
            ["03-02 18:00", "03-03 18:00", "03-04 18:00", "03-05 18:00", "03-06 18:00", "03-09 18:00"],
        ),
        ("0 8 1 * ? *", ["04-01 08:00", "05-01 08:00"]),
        ("0/10 * ? * MON-FRI *", ["03-02 00:00", "03-02 00:10"]),
        ("*/20 9-10,22 ? * 1 2026", ["03-01 22:00", "03-01 22:20", "03-01 22:40", "03-08 09:00"]),
        ("0 0 L * ? *", ["03-31 00:00", "04-30 00:00"]),
        ("0 0 LW * ? *", ["03-31 00:00", "04-30 00:00", "05-29 00:00"]),
        ("0 0 15W * ? *", ["03-16 00:00", "04-15 00:00", "05-15 00:00", "06-15 00:00", "07-15 00:00", "08-14 00:00"]),
        ("0 0 1W 8 ? *", ["08-03 00:00"]),
        ("0 0 ? * 6#2 *", ["03-13 00:00", "04-10 00:00"]),
        ("0 0 ? * FRI#5 *", ["05-29 00:00", "07-31 00:00"]),
        ("0 0 ? * 6L *", ["03-27 00:00", "04-24 00:00"]),
        ("0 0 ? * L *", ["03-07 00:00", "03-14 00:00"]),
        ("0 0 31 * ? *", ["03-31 00:00", "05-31 00:00"]),
        ("30 6 1,15 JAN,JUL ? *", ["07-01 06:30", "07-15 06:30"]),
    ],
)
def test_cron_is_that_of_aws(fields: str, times: list[str]) -> None:
    assert runs(f"cron({fields})", CREATED, len(times)) == [f"2026-{time}:00" for time in times]


def test_leap_days_and_years_that_are_over() -> None:
    assert runs("cron(0 0 29 2 ? *)", CREATED, 2) == ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]
    assert runs("cron(0 0 30 2 ? *)", CREATED) == []
    assert runs("cron(0 0 1 1 ? 2026)", CREATED) == []


@pytest.mark.parametrize(
    ("fields", "after", "times"),
    [
        ("30 6 * * ? *", datetime(2026, 3, 28, tzinfo=UTC), ["28 05:30", "29 04:30", "30 04:30"]),
        ("30 2 * * ? *", datetime(2026, 3, 28, 12, tzinfo=UTC), ["29 01:30", "30 00:30"]),  # 02:30 is skipped: 03:30
        ("30 2 * * ? *", datetime(2026, 10, 24, 12, tzinfo=UTC), ["25 00:30", "26 01:30"]),  # there twice: the first
        ("0/30 * * * ? *", datetime(2026, 3, 29, 0, 15, tzinfo=UTC), ["29 00:30", "29 01:00", "29 01:30", "29 02:00"]),
        ("0/30 * * * ? *", datetime(2026, 10, 25, 0, 15, tzinfo=UTC), ["25 00:30", "25 01:00", "25 01:30", "25 02:00"]),
    ],
)
def test_a_zone_is_that_of_its_clocks(fields: str, after: datetime, times: list[str]) -> None:
    found = runs(f"cron({fields}) Europe/Berlin", after, len(times))

    assert [run[8:16] for run in found] == times


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("every day", "neither rate"),
        ("rate(1 minutes)", r"is written rate\(1 minute\)"),
        ("rate(5 minute)", r"is written rate\(5 minutes\)"),
        ("rate(0 minutes)", "at least 1 minute"),
        ("rate(30 seconds)", "neither rate"),
        ("rate(1 minute) Europe/Berlin", "neither rate"),
        ("cron(0 10 * * *)", "it has 5 fields"),
        ("cron(0 10 * * * *)", r"either the day of month or the day of week is '\?'"),
        ("cron(0 10 ? * ? *)", r"either the day of month or the day of week is '\?'"),
        ("cron(60 10 * * ? *)", "minutes: '60' is not one of 0 to 59"),
        ("cron(0 10 * FOO ? *)", "month: 'FOO' is not one of 1 to 12, or JAN to DEC"),
        ("cron(0 10-8 * * ? *)", "hours: '10-8' has no values"),
        ("cron(0/0 10 * * ? *)", "minutes: '0/0' has no values"),
        ("cron(0 10 ? * MON#6 *)", "after # stands a number from 1 to 5"),
        ("cron(0 10 W * ? *)", "day of month: '' is not one of"),
        ("cron(0 10 * * ? 1969)", "year: '1969' is not one of 1970 to 2199"),
        ("cron(0 10 * * ? *) Europe/Berlim", "did you mean 'Europe/Berlin'"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_schedule(text, ns(CREATED))


@pytest.mark.parametrize(
    ("text", "missed", "due"),
    [
        ("rate(1 hour)", timedelta(hours=30), timedelta(hours=24)),
        ("rate(1 hour)", timedelta(hours=24), timedelta(hours=24)),
        ("rate(1 hour)", timedelta(hours=23), timedelta(hours=23)),
        ("rate(5 days)", timedelta(days=1), timedelta(days=1)),
        ("rate(5 days)", timedelta(days=16), timedelta(days=1)),
    ],
)
def test_missed_runs_are_made_up_for_as_far_as_a_day_back(text: str, missed: timedelta, due: timedelta) -> None:
    now = CREATED + timedelta(days=51)

    found = due_run(parse_schedule(text, ns(CREATED)), ns(now - missed), ns(now))

    assert (ns(now) - found) / SECOND_NS == due.total_seconds()


def test_a_run_that_is_sparse_is_not_left_out() -> None:
    schedule = parse_schedule("cron(0 0 1 * ? *)", ns(CREATED))
    missed = datetime(2026, 4, 1, tzinfo=UTC)

    assert due_run(schedule, ns(missed), ns(missed) + 5 * CATCH_UP_NS) == ns(missed)
