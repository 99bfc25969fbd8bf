"""Functions of time series: the documented ones by examples, and for random series as computed by hand."""

import bisect
import math
import random

import pytest
from shown import value_of
from sql_database import Database

from store.sql.values import format_timestamp

NS = 1_000_000_000
SERIES = """WITH points AS (SELECT create_time_series(t, v) AS s FROM (VALUES
        (TIMESTAMP '2020-01-01 00:02:00', 8.0),
        (TIMESTAMP '2020-01-01 00:00:00', 2.0),
        (TIMESTAMP '2020-01-01 00:01:00', 4.0)) AS p(t, v))
"""
TIMES = "sequence(TIMESTAMP '2020-01-01 00:00:30', TIMESTAMP '2020-01-01 00:02:30', 1m)"


def minutes(*values: tuple[str, object]) -> str:
    return f"[ {','.join(f'( 2020-01-01 00:0{time}.000000000,{value} )' for time, value in values)} ]"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("s", minutes(("0:00", 2.0), ("1:00", 4.0), ("2:00", 8.0))),
        (f"interpolate_linear(s, {TIMES})", minutes(("0:30", 3.0), ("1:30", 6.0), ("2:30", None))),
        ("interpolate_linear(s, TIMESTAMP '2020-01-01 00:00:15')", "2.5"),
        ("interpolate_linear(s, TIMESTAMP '2019-01-01 00:00:00')", None),
        (f"interpolate_locf(s, {TIMES})", minutes(("0:30", 2.0), ("1:30", 4.0), ("2:30", 8.0))),
        ("interpolate_locf(s, TIMESTAMP '2019-01-01 00:00:00')", None),
        (
            "interpolate_fill(s, ARRAY[TIMESTAMP '2020-01-01 00:01:00', TIMESTAMP '2020-01-01 00:01:30'], 9.0)",
            minutes(("1:00", 4.0), ("1:30", 9.0)),
        ),
        ("interpolate_spline_cubic(s, TIMESTAMP '2020-01-01 00:01:00')", "4.0"),
        ("interpolate_spline_cubic(s, TIMESTAMP '2020-01-01 00:00:30')", "2.8125"),
        ("derivative_linear(s, 1m)", minutes(("1:00", 2.0), ("2:00", 4.0))),
        ("derivative_linear(s, 1h)", minutes(("1:00", 120.0), ("2:00", 240.0))),
        ("non_negative_derivative_linear(s, 1m)", minutes(("1:00", 2.0), ("2:00", 4.0))),
        ("integral_trapezoidal(s)", "540.0"),
        ("integral_trapezoidal(s, 1m)", "9.0"),
        ("correlate_pearson(s, s)", "1.0"),
        ("correlate_spearman(s, s)", "1.0"),
        ("filter(s, x -> x.value > 2)", minutes(("1:00", 4.0), ("2:00", 8.0))),
        ("filter(s, x -> x.time > TIMESTAMP '2020-01-01 00:00:00' + 1m)", minutes(("2:00", 8.0))),
        ("reduce(s, 0.0, (total, x) -> total + x.value, total -> total)", "14.0"),
        ("transform(s, x -> x.value * 2)", "[ 4.0,8.0,16.0 ]"),
        ("cardinality(s)", "3"),
        ("element_at(s, 1).value", "2.0"),
        ("typeof(s)", "timeseries(double)"),
    ],
)
def test_a_function_of_a_series_has_this_value(empty: Database, expression: str, expected: str | None) -> None:
    assert value_of(empty, f"{SERIES} SELECT {expression} FROM points") == expected


def test_a_series_becomes_rows(empty: Database) -> None:
    rows = empty.rows(f"{SERIES} SELECT time, value FROM points CROSS JOIN UNNEST(s) ORDER BY time")

    assert [value for _, value in rows] == ["2.0", "4.0", "8.0"]


def test_series_of_other_times_have_no_correlation(empty: Database) -> None:
    with pytest.raises(Exception, match="the two time series need values at the same times"):
        value_of(empty, f"{SERIES} SELECT correlate_pearson(s, filter(s, x -> x.value > 2)) FROM points")


@pytest.mark.parametrize("seed", range(4))
def test_many_series_are_interpolated_as_by_hand(empty: Database, seed: int) -> None:
    rng = random.Random(seed)
    series: dict[str, list[tuple[int, float]]] = {}
    for name in "abcdef":
        times = sorted(rng.sample(range(1_000), rng.randrange(1, 40)))
        series[name] = [(time * NS, rng.uniform(-10, 10)) for time in times]
    sought = sorted(time * NS for time in rng.sample(range(1_000), 30))
    values = ", ".join(
        f"('{name}', from_nanoseconds({time}), {value:.12f})"
        for name, points in series.items()
        for time, value in points
    )
    at = ", ".join(f"from_nanoseconds({time})" for time in sought)
    rows = empty.rows(
        f"SELECT name, interpolate_linear(create_time_series(t, v), ARRAY[{at}]), "
        f"interpolate_locf(create_time_series(t, v), ARRAY[{at}]), "
        f"interpolate_spline_cubic(create_time_series(t, v), ARRAY[{at}]), "
        f"approx_percentile(v, 0.3), approx_percentile(v, 2, 0.3) "
        f"FROM (VALUES {values}) AS p(name, t, v) GROUP BY name ORDER BY name"
    )

    assert [row[0] for row in rows] == list(series)
    for (_, linear, locf, spline, percentile, weighted), points in zip(rows, series.values(), strict=True):
        assert isinstance(linear, list)
        assert isinstance(locf, list)
        assert isinstance(spline, list)
        assert [time for time, _ in linear] == [format_timestamp(time) for time in sought]
        for time, (_, between), (_, last), (_, smooth) in zip(sought, linear, locf, spline, strict=True):
            place = bisect.bisect_right([known for known, _ in points], time)
            assert (None if last is None else float(last)) == (round(points[place - 1][1], 12) if place else None)
            assert close(between, by_hand(points, time, place))
            assert (smooth is None) == (between is None)
            if place and points[place - 1][0] == time:
                assert close(smooth, points[place - 1][1])
        ordered = sorted(value for _, value in points)
        expected = ordered[max(math.ceil(0.3 * len(ordered)), 1) - 1]
        assert close(percentile, expected)
        assert close(weighted, expected)


def close(found: object, expected: float | None) -> bool:
    return found is None if expected is None else math.isclose(float(str(found)), expected, abs_tol=1e-9)


def by_hand(points: list[tuple[int, float]], time: int, place: int) -> float | None:
    if place == 0:
        return None
    left_time, left = points[place - 1]
    if left_time == time:
        return left
    if place == len(points):
        return None
    right_time, right = points[place]
    return left + (right - left) * (time - left_time) / (right_time - left_time)


def test_a_spline_goes_through_a_cubic_with_flat_ends(empty: Database) -> None:
    """Between known points the natural spline of (0, 0), (1, 1), (2, 0) is y = 1.5 x - 0.5 x³."""
    points = ", ".join(f"(from_milliseconds({x * 1000}), {y})" for x, y in ((0, 0.0), (1, 1.0), (2, 0.0)))
    value = value_of(
        empty,
        "SELECT interpolate_spline_cubic(create_time_series(t, v), from_milliseconds(500)) "
        f"FROM (VALUES {points}) AS p(t, v)",
    )

    assert close(value, 1.5 * 0.5 - 0.5 * 0.5**3)


def test_correlations_leave_out_missing_values_and_share_ranks(empty: Database) -> None:
    """Without its nulls x is 1, 2, 2, 4 and y 1, 9, 5, 7; the ranks are 1, 2.5, 2.5, 4 and 1, 4, 2, 3."""
    rows = ["1.0, 1.0", "2.0, 9.0", "NULL, 3.0", "2.0, 5.0", "4.0, 7.0", "8.0, NULL"]
    values = ", ".join(f"(from_milliseconds({time}), {row})" for time, row in enumerate(rows))
    pair = "create_time_series(t, x), create_time_series(t, y)"

    (found,) = empty.rows(
        f"SELECT correlate_spearman({pair}), correlate_pearson({pair}) FROM (VALUES {values}) AS p(t, x, y)"
    )

    assert close(found[0], _pearson([1, 2.5, 2.5, 4], [1, 4, 2, 3]))
    assert close(found[1], _pearson([1, 2, 2, 4], [1, 9, 5, 7]))


def _pearson(x: list[float], y: list[float]) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    products = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True))
    return products / math.sqrt(sum((one - mean_x) ** 2 for one in x) * sum((other - mean_y) ** 2 for other in y))


@pytest.mark.parametrize(
    ("points", "rate", "mean"),
    [
        ([(0, "1.0"), (10, "5.0"), (30, "2.0")], "0.2", "3.3333333333333335"),  # 4 up, a restart, 2 up; areas 30 and 70
        ([(30, "2.0"), (0, "1.0"), (20, "NULL"), (10, "5.0")], "0.2", "3.3333333333333335"),
        ([(0, "4.0")], None, "4.0"),
        ([(0, "4.0"), (0, "6.0")], None, "5.0"),
        ([(0, "NULL")], None, None),
    ],
)
def test_rates_restart_and_means_go_by_time(
    empty: Database, points: list[tuple[int, str]], rate: str | None, mean: str | None
) -> None:
    values = ", ".join(f"(from_milliseconds({time * 1000}), CAST({value} AS DOUBLE))" for time, value in points)

    assert empty.rows(f"SELECT rate(t, v), avg_over_time(t, v) FROM (VALUES {values}) AS p(t, v)") == [(rate, mean)]
    assert empty.rows("SELECT rate(t, v) FROM (VALUES (now(), 1.0)) AS p(t, v) WHERE v > 2.0") == [(None,)]
