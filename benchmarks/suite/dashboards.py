"""What panels of dashboards ask of a day of many sensors: a text for the product, and the same question for DuckDB.

`{table}` has 24 hours from `{from_time}` to `{to_time}`; `{hour}` is an hour before the end. DuckDB has the table `t`.
"""

from __future__ import annotations

ZONE = "zone_name = 'gh-07-3/zone-1'"
_DAY = "time >= '{from_time}' AND time < '{to_time}'"
_HOUR = "time >= '{hour}' AND time < '{to_time}'"
_FEW = "region IN ('region-03', 'region-13', 'region-23')"  # a thousand series of ten thousand


def _bin(minutes: int) -> tuple[str, str]:
    return f"bin(time, {minutes}m)", f"time_bucket(INTERVAL {minutes} minute, time)"


def _alike(text: str, minutes: int = 5) -> tuple[str, str]:
    """A text that differs only in its bins, `<bin>`."""
    mine, duckdb = (text.replace("<bin>", of) for of in _bin(minutes))
    return mine, duckdb.replace("{table}", "t")


_INTERPOLATED = (
    (
        "SELECT sensor, interpolate_linear(create_time_series(time, temperature), "
        "sequence(TIMESTAMP '{hour}' + 1m, TIMESTAMP '{to_time}' - 1m, 1m)) "
        f"FROM {{table}} WHERE {_HOUR} AND {_FEW} GROUP BY sensor"
    ),
    (
        f"WITH r AS (SELECT sensor, time, temperature AS v FROM t WHERE {_HOUR} AND {_FEW}), "
        "g AS (SELECT sensor, unnest(generate_series(TIMESTAMP '{hour}' + INTERVAL 1 minute, "
        "TIMESTAMP '{to_time}' - INTERVAL 1 minute, INTERVAL 1 minute)) AS moment "
        "FROM (SELECT DISTINCT sensor FROM r)), "
        "p AS (SELECT g.sensor, moment, r.time AS t0, v AS v0 FROM g "
        "ASOF JOIN r ON g.sensor = r.sensor AND moment >= r.time) "
        "SELECT p.sensor, list(CASE WHEN r.time = t0 THEN v0 ELSE v0 + (v - v0) * (epoch_us(moment) - epoch_us(t0)) "
        "/ (epoch_us(r.time) - epoch_us(t0)) END ORDER BY moment) "
        "FROM p ASOF JOIN r ON p.sensor = r.sensor AND moment <= r.time GROUP BY p.sensor"
    ),
)

DASHBOARDS: dict[str, tuple[str, str]] = {
    "zone average, 1 h": _alike(
        f"SELECT <bin> AS b, avg(temperature) FROM {{table}} WHERE {ZONE} AND {_HOUR} GROUP BY 1 ORDER BY 1", 1
    ),
    "zone average, 5-minute bins, 24 h": _alike(
        f"SELECT <bin> AS b, avg(temperature) FROM {{table}} WHERE {ZONE} AND {_DAY} GROUP BY 1 ORDER BY 1"
    ),
    "all zones, 1 h": _alike(f"SELECT zone_name, avg(temperature) FROM {{table}} WHERE {_HOUR} GROUP BY 1 ORDER BY 1"),
    "the README's: all zones, 5-minute bins, 1 h": _alike(
        f"SELECT zone_name, <bin> AS b, avg(temperature) AS mean FROM {{table}} WHERE {_HOUR} "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    "whole table, 5-minute bins, 24 h": _alike(
        f"SELECT <bin> AS b, avg(temperature), min(temperature), max(temperature) FROM {{table}} WHERE {_DAY} "
        "GROUP BY 1 ORDER BY 1"
    ),
    "last point of each sensor": (
        "SELECT sensor, max_by(temperature, time), max(time) FROM {table} GROUP BY sensor ORDER BY sensor",
        "SELECT sensor, arg_max(temperature, time), max(time) FROM t GROUP BY sensor ORDER BY sensor",
    ),
    "last point of one sensor": (
        "SELECT temperature, time FROM {table} WHERE sensor = 's-000017' ORDER BY time DESC LIMIT 1",
        "SELECT temperature, time FROM t WHERE sensor = 's-000017' ORDER BY time DESC LIMIT 1",
    ),
    "top 10 sensors, 24 h": _alike(
        f"SELECT sensor, max(co2) AS most FROM {{table}} WHERE {_DAY} "
        "GROUP BY sensor ORDER BY most DESC, sensor LIMIT 10"
    ),
    "percentile by zone, 1 h": (
        f"SELECT zone_name, approx_percentile(temperature, 0.95) FROM {{table}} WHERE {_HOUR} GROUP BY 1 ORDER BY 1",
        f"SELECT zone_name, quantile_disc(temperature, 0.95) FROM t WHERE {_HOUR} GROUP BY 1 ORDER BY 1",
    ),
    "interpolation of 1,000 series, 1 h": _INTERPOLATED,
    "one sensor, rows of 1 h": _alike(f"SELECT * FROM {{table}} WHERE sensor = 's-000017' AND {_HOUR} ORDER BY time"),
    "count of a range": _alike(f"SELECT count(*) FROM {{table}} WHERE {_DAY}"),
    "count and range of a measure, 24 h": _alike(f"SELECT count(co2), min(co2), max(co2) FROM {{table}} WHERE {_DAY}"),
    "newest time": _alike("SELECT max(time) FROM {table}"),
}
"""By name: Timestream's text, and DuckDB's."""
