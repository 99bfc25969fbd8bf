"""Functions of time series: interpolation, derivatives, integrals, correlation. Reference: AWS "Time-series functions".

A time series is a list of (time, value) in order of time. `positions(times, at)`, `spline_curvatures(times, values)`
and `ranks(values)` are functions of ours in DuckDB (`store.engine.vectorised`), on whole columns of lists at once.
"""

# ruff: noqa: S608 - SQL is put together here, from texts of ours

from __future__ import annotations

from store.sql.functions.function import ANY, ArrayOf, Function, Overload, Parameter, SeriesOf, family, scalar
from store.sql.literals import NS_PER_S
from store.sql.types import DOUBLE, INTERVAL, TIMESTAMP

_SERIES = SeriesOf(ANY)
_DOUBLES = SeriesOf(DOUBLE)
_TIMES = ArrayOf(TIMESTAMP)


def _time(series: str, place: str) -> str:
    return f"struct_extract({series}[{place}], 'f0')"


def _value(series: str, place: str) -> str:
    return f"struct_extract({series}[{place}], 'f1')"


def _field(series: str, name: str) -> str:
    return f"list_transform({series}, lambda p: struct_extract(p, '{name}'))"


def _interpolated(value: str, times: str = "{1}") -> str:
    """The series at some times; `value` computes one at time `{t}` after the first `k` points."""
    point = f"{{'f0': {{t}}, 'f1': {value}}}".replace("{t}", f"{times}[i]")
    return (
        f"CASE WHEN {{nulls}} THEN NULL ELSE list_transform(positions({_field('{0}', 'f0')}, {times}),"
        f" lambda k, i: {point}) END"
    )


def _forms(name: str, series: SeriesOf, value: str, *more: Parameter, around: str = "{}") -> Function:
    """An interpolation at many times, which gives a series, and at one, which gives a value."""
    at_one = f"struct_extract(list_extract({_interpolated(value, '[{1}]')}, 1), 'f1')"
    return scalar(
        name,
        Overload((series, _TIMES, *more), series, around.replace("{}", _interpolated(value)), once=True),
        Overload((series, TIMESTAMP, *more), series.value, around.replace("{}", at_one), once=True),
    )


_LINEAR = (
    f"CASE WHEN k = 0 THEN NULL WHEN {_time('{0}', 'k')} = {{t}} THEN {_value('{0}', 'k')}"
    f" WHEN k = len({{0}}) THEN NULL"
    f" ELSE {_value('{0}', 'k')} + ({_value('{0}', 'k + 1')} - {_value('{0}', 'k')})"
    f" * (({{t}} - {_time('{0}', 'k')}) / CAST({_time('{0}', 'k + 1')} - {_time('{0}', 'k')} AS DOUBLE)) END"
)
_LOCF = f"CASE WHEN k > 0 THEN {_value('{0}', 'k')} END"
_FILL = f"CASE WHEN k > 0 AND {_time('{0}', 'k')} = {{t}} THEN {_value('{0}', 'k')} ELSE {{2}} END"
# of a natural cubic spline, from its second derivatives at the points
_H = f"(({_time('{0}', 'k + 1')} - {_time('{0}', 'k')}) / {NS_PER_S}.0::DOUBLE)"
_LEFT = f"(({_time('{0}', 'k + 1')} - {{t}}) / {NS_PER_S}.0::DOUBLE)"
_RIGHT = f"(({{t}} - {_time('{0}', 'k')}) / {NS_PER_S}.0::DOUBLE)"
_CURVES = f"spline_curvatures({_field('{0}', 'f0')}, {_field('{0}', 'f1')})"
_SPLINE = (
    f"CASE WHEN k = 0 THEN NULL WHEN {_time('{0}', 'k')} = {{t}} THEN {_value('{0}', 'k')}"
    f" WHEN k = len({{0}}) THEN NULL"
    f" ELSE (c[k] * {_LEFT} * {_LEFT} * {_LEFT} + c[k + 1] * {_RIGHT} * {_RIGHT} * {_RIGHT}) / (6 * {_H})"
    f" + ({_value('{0}', 'k')} / {_H} - c[k] * {_H} / 6) * {_LEFT}"
    f" + ({_value('{0}', 'k + 1')} / {_H} - c[k + 1] * {_H} / 6) * {_RIGHT} END"
)
_WITH_CURVES = f"list_extract(list_transform([{_CURVES}], lambda c: {{}}), 1)"

_SLOPES = (
    "list_transform(range(2, len({0}) + 1), lambda i: {'f0': "
    f"{_time('{0}', 'i')}, 'f1': ({_value('{0}', 'i')} - {_value('{0}', 'i - 1')})"
    f" / (({_time('{0}', 'i')} - {_time('{0}', 'i - 1')}) / CAST({{1}} AS DOUBLE))}})"
)
_TRAPEZOIDS = (
    "CASE WHEN len({0}) > 1 THEN list_sum(list_transform(range(2, len({0}) + 1), lambda i: "
    f"({_value('{0}', 'i')} + {_value('{0}', 'i - 1')}) / 2"
    f" * (({_time('{0}', 'i')} - {_time('{0}', 'i - 1')}) / CAST({{1}} AS DOUBLE)))) ELSE len({{0}}) * 0.0::DOUBLE END"
)


def _correlated(x: str, y: str) -> str:
    """Pearson's correlation of two lists, if the two series have the same times."""
    pairs = f"SELECT unnest({x}) AS x, unnest({y}) AS y"
    differ = f"{_field('{0}', 'f0')} <> {_field('{1}', 'f0')}"
    return (
        f"CASE WHEN {differ} THEN error('the two time series need values at the same times')"
        f" ELSE (SELECT regr_sxy(x, y) / sqrt(regr_sxx(x, y) * regr_syy(x, y)) FROM ({pairs}) AS p) END"
    )


_X, _Y = _field("{0}", "f1"), _field("{1}", "f1")
# the ranks of values to which the other series has one, too
_RANKS_X, _RANKS_Y = (
    f"ranks(list_transform(list_zip({one}, {other}), lambda z: CASE WHEN z[2] IS NOT NULL THEN z[1] END))"
    for one, other in ((_X, _Y), (_Y, _X))
)


SERIES = family(
    _forms("interpolate_linear", _DOUBLES, _LINEAR),
    _forms("interpolate_spline_cubic", _DOUBLES, _SPLINE, around=_WITH_CURVES),
    _forms("interpolate_locf", _SERIES, _LOCF),
    _forms("interpolate_fill", _SERIES, _FILL, ANY),
    scalar("derivative_linear", Overload((_DOUBLES, INTERVAL), _DOUBLES, _SLOPES, once=True)),
    scalar(
        "non_negative_derivative_linear",
        Overload(
            (_DOUBLES, INTERVAL), _DOUBLES, f"list_filter({_SLOPES}, lambda p: struct_extract(p, 'f1') >= 0)", once=True
        ),
    ),
    scalar(
        "integral_trapezoidal",
        Overload((_DOUBLES,), DOUBLE, _TRAPEZOIDS.replace("{1}", str(NS_PER_S)), once=True),
        Overload((_DOUBLES, INTERVAL), DOUBLE, _TRAPEZOIDS, once=True),
    ),
    scalar("correlate_pearson", Overload((_DOUBLES, _DOUBLES), DOUBLE, _correlated(_X, _Y))),
    scalar("correlate_spearman", Overload((_DOUBLES, _DOUBLES), DOUBLE, _correlated(_RANKS_X, _RANKS_Y))),
)
