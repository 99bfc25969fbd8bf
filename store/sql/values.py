"""Converts values to Timestream's format, in which everything is text.

Timestamps have nine digits and no zone, doubles are Java's `Double.toString` (`21.5`, `1.65E9`, `Infinity`), intervals
are `1 00:05:00.000000000` (days, then the rest) or `4-2` (years-months). Clients split these texts at fixed positions.
A varbinary is Base64, as in Trino's protocol.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from store.sql.literals import NS_PER_DAY, NS_PER_S
from store.sql.types import ArrayType, MapType, RowType, ScalarType, SqlType, TimeSeriesType, ZonedType
from store.sql.zones import clock_of
from store.values.times import EPOCH


def format_double(value: float) -> str:
    """In the format of Java's Double.toString: plain between 10^-3 and 10^7, else one digit before the point, and E."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    size = abs(value)
    if size == 0 or 1e-3 <= size < 1e7:
        # repr has this form in this whole range, from 0.0001 on
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)  # it is finite
    text = "".join(map(str, digits))
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{exponent + len(text) - 1}"


def format_date(days: int) -> str:
    """`2026-11-23`."""
    return (EPOCH + timedelta(days=days)).date().isoformat()


def format_time(time_ns: int) -> str:
    """`17:06:00.000000000`."""
    seconds, rest = divmod(time_ns, NS_PER_S)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:09}"


def format_timestamp(time_ns: int) -> str:
    """`2026-11-23 17:06:00.000000000`."""
    days, rest = divmod(time_ns, NS_PER_DAY)
    return f"{format_date(days)} {format_time(rest)}"


def format_interval(length_ns: int) -> str:
    """`1 00:05:00.000000000`: days and the rest."""
    days, rest = divmod(abs(length_ns), NS_PER_DAY)
    return f"{'-' if length_ns < 0 else ''}{days} {format_time(rest)}"


def format_months(months: int) -> str:
    """`4-2`: years and months."""
    years, rest = divmod(abs(months), 12)
    return f"{'-' if months < 0 else ''}{years}-{rest}"


def format_boolean(value: object) -> str:
    """`true` or `false`."""
    return "true" if value else "false"


def format_varbinary(value: bytes) -> str:
    """`AP8=`."""
    return base64.b64encode(value).decode()


_SCALARS: dict[ScalarType, Callable[[Any], str]] = {
    ScalarType.VARCHAR: str,
    ScalarType.BOOLEAN: format_boolean,
    ScalarType.INTEGER: str,
    ScalarType.BIGINT: str,
    ScalarType.DOUBLE: format_double,
    ScalarType.TIMESTAMP: format_timestamp,
    ScalarType.DATE: format_date,
    ScalarType.TIME: format_time,
    ScalarType.INTERVAL_DAY_TO_SECOND: format_interval,
    ScalarType.INTERVAL_YEAR_TO_MONTH: format_months,
    ScalarType.UNKNOWN: str,
    ScalarType.VARBINARY: format_varbinary,
    ScalarType.JSON: str,
}


def _zoned(kind: ZonedType) -> Callable[[int], str]:
    """`2026-11-23 18:06:00.000000000 Europe/Paris`."""
    clock = clock_of(kind)

    def write(time_ns: int) -> str:
        seconds, rest = divmod(time_ns, NS_PER_S)
        shown = (EPOCH + timedelta(seconds=seconds)).astimezone(clock)
        return f"{shown.replace(tzinfo=None).isoformat(' ')}.{rest:09} {kind.zone}"

    return write


def formatter(kind: SqlType) -> Callable[[Any], Any]:
    """The function that formats a value of this type that is not null."""
    if isinstance(kind, ArrayType):
        element = formatter(kind.element)
        return lambda values: [None if value is None else element(value) for value in values]
    if isinstance(kind, TimeSeriesType | MapType):
        return formatter(kind.rows)
    if isinstance(kind, RowType):
        fields = [formatter(field) for _, field in kind.fields]
        return lambda row: tuple(
            None if value is None else write(value) for write, value in zip(fields, row.values(), strict=True)
        )
    if isinstance(kind, ZonedType):
        return _zoned(kind)
    return _SCALARS[kind]
