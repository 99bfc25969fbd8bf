"""Functions of time. A timestamp is BIGINT nanoseconds, so `bin` and conversions are integer arithmetic.

Reference: AWS "Date / time functions". `bin` is floor(epoch / interval) * interval, not aligned to calendars.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from store.sql.functions.function import Function, Overload, family, scalar
from store.sql.literals import NS_PER_DAY, NS_PER_S, UNIT_NS, parse_iso_date, parse_timestamp
from store.sql.types import BIGINT, DATE, DOUBLE, INTERVAL, MONTHS, TIME, TIMESTAMP, VARCHAR
from store.values.times import EPOCH

_EPOCH_DAY = "datediff('day', DATE '1970-01-01'"
_INSTANT = "make_timestamp_ns({0})"


def floor_to(value: str, step: str) -> str:
    """DuckDB's text for the largest multiple of `step` (> 0) not above `value`; both are BIGINT texts."""
    is_before = f"CAST(({value}) < 0 AS BIGINT)"  # one division, and no step below the range of numbers
    return f"(((({value}) + {is_before}) // {step} - {is_before}) * {step})"


def floor_rest(value: str, step: int) -> str:
    """DuckDB's text for how far `value` is above that multiple, also of negative ones."""
    return f"((({value}) % {step} + {step}) % {step})"


def date_months(sign: str, days: str, months: str) -> str:
    """DuckDB's text for date `days` ± `months`."""
    moved = f"DATE '1970-01-01' + CAST({days} AS INTEGER) {sign} to_months(CAST({months} AS INTEGER))"
    return f"{_EPOCH_DAY}, CAST({moved} AS DATE))"


def months_template(sign: str, value: str, months: str) -> str:
    """DuckDB's text for timestamp `value` ± `months`. DuckDB's own addition of months only has microseconds."""
    micros = f"({floor_to(value, '1000')} // 1000)"
    return (
        f"(epoch_us(make_timestamp({micros}) {sign} to_months(CAST({months} AS INTEGER))) * 1000"
        f" + {value} - {micros} * 1000)"
    )


_OF_DAY = {"hour", "minute", "second", "millisecond", "nanosecond"}
# of an interval, towards zero
_OF_INTERVAL = {
    **dict.fromkeys(("day", "day_of_month"), (INTERVAL, UNIT_NS["day"], 2**63 - 1)),
    "hour": (INTERVAL, UNIT_NS["hour"], 24),
    "minute": (INTERVAL, UNIT_NS["minute"], 60),
    "second": (INTERVAL, NS_PER_S, 60),
    "millisecond": (INTERVAL, 1_000_000, 1000),
    "year": (MONTHS, 12, 2**63 - 1),
    "month": (MONTHS, 1, 12),
}


def _part(name: str, expression: str) -> Function:
    """A part of a timestamp, and of a time or interval that has it."""
    forms = [Overload((TIMESTAMP,), BIGINT, expression)]
    if name in _OF_DAY:
        forms.append(Overload((TIME,), BIGINT, expression))
    if name in _OF_INTERVAL:
        kind, unit, most = _OF_INTERVAL[name]
        forms.append(Overload((kind,), BIGINT, f"({{0}} // {unit} % {most})"))
    return scalar(name, *forms)


def _remainder(modulus: int, divisor: int) -> str:
    return f"(((({{0}}) % {modulus}) + {modulus}) % {modulus} // {divisor})"


PARTS = {
    "year": f"year({_INSTANT})",
    "quarter": f"quarter({_INSTANT})",
    "month": f"month({_INSTANT})",
    "week": f"week({_INSTANT})",
    "week_of_year": f"week({_INSTANT})",
    "day": f"day({_INSTANT})",
    "day_of_month": f"day({_INSTANT})",
    "day_of_week": f"isodow({_INSTANT})",
    "dow": f"isodow({_INSTANT})",
    "day_of_year": f"dayofyear({_INSTANT})",
    "doy": f"dayofyear({_INSTANT})",
    "year_of_week": f"isoyear({_INSTANT})",
    "yow": f"isoyear({_INSTANT})",
    "hour": _remainder(NS_PER_DAY, UNIT_NS["hour"]),
    "minute": _remainder(UNIT_NS["hour"], UNIT_NS["minute"]),
    "second": _remainder(UNIT_NS["minute"], NS_PER_S),
    "millisecond": _remainder(NS_PER_S, 1_000_000),
    "nanosecond": _remainder(NS_PER_S, 1),
}


def _read(text: str, reader: Callable[[str], int | None]) -> int:
    value = reader(text)
    if value is None:
        raise ValueError(f"'{text}' is not in ISO 8601's form")
    return value


def parsed(text: str, form: str) -> str:
    """DuckDB's text for the timestamp that a text is in a format, to the nanosecond."""
    return f"epoch_ns(CAST(strptime({text}, {form}) AS TIMESTAMP_NS))"


def ahead_of_utc(time: str, zone: str) -> str:
    """DuckDB's text for how far the clocks of a zone are ahead of UTC at a time, in nanoseconds."""
    micros = f"{floor_to(time, '1000')} // 1000"
    return f"((epoch_us(timezone({zone}, make_timestamptz({micros}))) - {micros}) * 1000)"


# by the clocks of zone {2}: `a` is how far they are ahead of UTC, `b` the bin by them. They may have been changed since
# then; a reading that they left out is none of the time before
_SINCE_CHANGE = "(epoch_us(timezone({2}, make_timestamp(b // 1000))) * 1000 + b % 1000)"
_HAS_CHANGED = f"{ahead_of_utc('(b - a)', '{2}')} <> a AND {_SINCE_CHANGE} <= {{0}}"
_BIN_OF_ZONE = (
    f"list_extract(list_transform([{ahead_of_utc('{0}', '{2}')}], lambda a: list_extract(list_transform("
    f"[{floor_to('({0} + a)', '{1}')}], lambda b: CASE WHEN {_HAS_CHANGED}"
    f" THEN {_SINCE_CHANGE} ELSE b - a END), 1)), 1)"
)

_ABBREVIATIONS = {
    **dict.fromkeys(("UTC", "GMT", "Z", "WET"), 0),
    "CET": 1,
    "BST": 1,
    "WEST": 1,
    "CEST": 2,
    "EET": 2,
    "EEST": 3,
    "MSK": 3,
    "IST": 5.5,
    "SGT": 8,
    "JST": 9,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
}
_ZONE = "regexp_extract({0}, '\\s*([A-Za-z]+|[+-]\\d\\d:?\\d\\d)$', 1)"
_WITHOUT_ZONE = "regexp_replace({0}, '\\s*([A-Za-z]+|[+-]\\d\\d:?\\d\\d)$', '')"
_OFFSETS = " ".join(f"WHEN '{name}' THEN {round(hours * 60)}" for name, hours in _ABBREVIATIONS.items())
_MINUTES = (
    f"CASE upper({_ZONE}) {_OFFSETS} ELSE CASE WHEN {_ZONE} ~ '^[+-]' THEN"
    f" CAST(left({_ZONE}, 3) AS INTEGER) * 60 + CAST(left({_ZONE}, 1) || right({_ZONE}, 2) AS INTEGER)"
    f" ELSE error('Time zone not known: ' || {_ZONE}) END END"
)
# of a text that ends with a zone, in the format {form} of what precedes it
ZONED = f"({parsed(_WITHOUT_ZONE, '{form}')} - ({_MINUTES}) * {UNIT_NS['minute']})"

_SPANS = ("second", "minute", "hour", "day")
_CALENDAR = ("week", "month", "quarter", "year")


def truncate_template(unit: str) -> str | None:
    """The template of `date_trunc` to `unit`; None for an unknown unit."""
    if unit in {"millisecond", *_SPANS}:
        return floor_to("{0}", str(UNIT_NS[unit]))
    return f"(epoch_us(date_trunc('{unit}', {_INSTANT})) * 1000)" if unit in _CALENDAR else None


def truncate_fold(unit: str) -> Callable[..., int] | None:
    """What computes `date_trunc` of a constant; None for an unknown unit."""
    if unit in _CALENDAR:
        return lambda _, time: _first_day(time // NS_PER_DAY, unit) * NS_PER_DAY
    span = UNIT_NS.get(unit)
    return None if span is None else lambda _, time: time // span * span


def _first_day(days: int, unit: str) -> int:
    day = EPOCH.date() + timedelta(days=days)
    if unit == "week":
        return days - day.weekday()
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1}.get(unit, 1)
    return (day.replace(month=month, day=1) - EPOCH.date()).days


def add_template(unit: str) -> str | None:
    """The template of `date_add` of {1} units to timestamp {0}; None for an unknown unit."""
    if unit in UNIT_NS:
        return f"({{0}} + {{1}} * {UNIT_NS[unit]})"
    months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
    return months_template("+", "{0}", f"{{1}} * {months}") if months else None


def difference_template(unit: str) -> str | None:
    """The template of `date_diff` from timestamp {0} to {1} in whole units; None for an unknown unit."""
    if unit in UNIT_NS:
        return f"(({{1}} - {{0}}) // {UNIT_NS[unit]})"
    if unit in {"month", "quarter", "year"}:
        return f"datesub('{unit}', {_INSTANT}, make_timestamp_ns({{1}}))"
    return None


_LAST_DAY = f"{_EPOCH_DAY}, last_day({{}}))"

TIMES = family(
    scalar("now", Overload((), TIMESTAMP, "CAST({now_ns} AS BIGINT)", lambda now_ns: now_ns)),
    scalar("current_timestamp", Overload((), TIMESTAMP, "CAST({now_ns} AS BIGINT)", lambda now_ns: now_ns)),
    scalar(
        "current_date",
        Overload((), DATE, f"CAST({{now_ns}} // {NS_PER_DAY} AS BIGINT)", lambda now_ns: now_ns // NS_PER_DAY),
    ),
    scalar("localtimestamp", Overload((), TIMESTAMP, "CAST({now_ns} AS BIGINT)", lambda now_ns: now_ns)),
    *(
        scalar(
            name, Overload((), TIME, f"CAST({{now_ns}} % {NS_PER_DAY} AS BIGINT)", lambda now_ns: now_ns % NS_PER_DAY)
        )
        for name in ("current_time", "localtime")
    ),
    scalar(
        "last_day_of_month",
        Overload((DATE,), DATE, _LAST_DAY.replace("{}", "DATE '1970-01-01' + CAST({0} AS INTEGER)")),
        Overload((TIMESTAMP,), DATE, _LAST_DAY.replace("{}", _INSTANT)),
    ),
    scalar("current_timezone", Overload((), VARCHAR, "'UTC'", lambda _: "UTC")),
    scalar("ago", Overload((INTERVAL,), TIMESTAMP, "({now_ns} - {0})", lambda now_ns, span: now_ns - span)),
    scalar(
        "bin",
        Overload((TIMESTAMP, INTERVAL), TIMESTAMP, floor_to("{0}", "{1}"), lambda _, time, step: time // step * step),
        Overload(
            (DATE, INTERVAL),
            TIMESTAMP,
            floor_to(f"({{0}} * {NS_PER_DAY})", "{1}"),
            lambda _, day, step: day * NS_PER_DAY // step * step,
        ),
        Overload(
            (TIMESTAMP, INTERVAL, INTERVAL),
            TIMESTAMP,
            f"({floor_to('({0} - {2})', '{1}')} + {{2}})",
            lambda _, time, step, offset: (time - offset) // step * step + offset,
        ),
        Overload((TIMESTAMP, INTERVAL, VARCHAR), TIMESTAMP, _BIN_OF_ZONE, once=True),
    ),
    scalar(
        "from_iso8601_timestamp",
        Overload(
            (VARCHAR,), TIMESTAMP, "epoch_ns(CAST({0} AS TIMESTAMP_NS))", lambda _, text: _read(text, parse_timestamp)
        ),
    ),
    scalar(
        "from_iso8601_date",
        Overload((VARCHAR,), DATE, f"{_EPOCH_DAY}, CAST({{0}} AS DATE))", lambda _, text: _read(text, parse_iso_date)),
    ),
    scalar(
        "to_iso8601",
        Overload((DATE,), VARCHAR, "CAST(DATE '1970-01-01' + CAST({0} AS INTEGER) AS VARCHAR)"),
        Overload(
            (TIMESTAMP,),
            VARCHAR,
            f"(strftime({_INSTANT}, '%Y-%m-%dT%H:%M:%S.')"
            f" || lpad(CAST({_remainder(NS_PER_S, 1)} AS VARCHAR), 9, '0') || 'Z')",
        ),
    ),
    scalar("date", Overload((TIMESTAMP,), DATE, f"({floor_to('{0}', str(NS_PER_DAY))} // {NS_PER_DAY})")),
    scalar("from_nanoseconds", Overload((BIGINT,), TIMESTAMP, "{0}", lambda _, number: number)),
    scalar("from_milliseconds", Overload((BIGINT,), TIMESTAMP, "({0} * 1000000)", lambda _, number: number * 10**6)),
    scalar(
        "from_unixtime",
        Overload((BIGINT,), TIMESTAMP, "({0} * 1000000000)", lambda _, number: number * 10**9),
        Overload((DOUBLE,), TIMESTAMP, "(CAST(round({0} * 1000) AS BIGINT) * 1000000)"),
    ),
    scalar("to_nanoseconds", Overload((TIMESTAMP,), BIGINT, "{0}", lambda _, time: time)),
    scalar(
        "to_milliseconds",
        Overload((TIMESTAMP,), BIGINT, f"({floor_to('{0}', '1000000')} // 1000000)", lambda _, time: time // 10**6),
        Overload((INTERVAL,), BIGINT, "({0} // 1000000)"),
    ),
    scalar("to_unixtime", Overload((TIMESTAMP,), DOUBLE, "({0} / 1000000000.0::DOUBLE)")),
    *(_part(name, template) for name, template in PARTS.items()),
)
