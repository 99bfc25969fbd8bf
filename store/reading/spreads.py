"""How the values of zones are spread, by bins: percentiles over rows, and the spread over sensors.

Both read rows, as rollups hold only sums. A sensor is a set of dimensions; its value in a bin is the mean of its rows.
Percentiles between two values are interpolated.
"""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from store.reading.averages import columns_of, zone_averages
from store.reading.bins import Bins
from store.reading.by_zone import ZONE
from store.reading.snapshot import Snapshot
from store.record import SeriesIndex

_SENSOR_PERCENTILES = (10, 50, 90)

ByBin = dict[int | None, list[float]]
"""Numbers by the start of a bin; None without bins."""


@dataclass(frozen=True, slots=True)
class SensorSpread:
    """The means of `count` sensors (≥ 1) of a zone in a bin: the least, three percentiles, the greatest."""

    min: float
    p10: float
    p50: float
    p90: float
    max: float
    count: int


def zone_percentiles(
    snapshot: Snapshot,
    index: SeriesIndex,
    zones: Mapping[str, Sequence[int]],
    measures: Sequence[str],
    percentiles: Sequence[float],
    *,
    from_ns: int,
    to_ns: int,
    bins: Bins | None = None,
) -> dict[tuple[str, str], ByBin]:
    """For each (zone, measure) the percentiles (0 to 100) of all rows of each bin; bins without rows are left out.

    Arguments and errors are those of `zone_averages`.
    """
    columns = columns_of(snapshot, index.table, measures)
    names = list(zones)
    found: dict[tuple[str, str], ByBin] = {(zone, measure): {} for zone in names for measure in measures}
    if not any(map(len, zones.values())) or not columns or from_ns >= to_ns:
        return found
    _, rows = snapshot.rows_of_zones(
        index.table, index, list(zones.values()), columns, time_from_ns=from_ns, time_to_ns=to_ns, grain_ns=None
    )
    if not rows:
        return found
    start = "0" if bins is None else bins.sql("t.time_ns", from_ns, to_ns)
    shares = ", ".join(str(percentile / 100) for percentile in percentiles)
    called = ", ".join(f"quantile_cont(t.{column.quoted}::DOUBLE, [{shares}])" for column in columns)
    table = snapshot.execute(f"SELECT t.{ZONE}, {start}, {called} FROM ({rows}) AS t GROUP BY 1, 2")
    places, starts, *values = (column.to_pylist() for column in table.columns)
    for measure, of in zip(measures, values, strict=True):
        for place, start_ns, numbers in zip(places, starts, of, strict=True):
            if numbers is not None:
                at = None if bins is None else bins.instant_ns(start_ns)
                found[names[place], measure][at] = numbers
    return found


def sensor_spreads(
    snapshot: Snapshot,
    index: SeriesIndex,
    zones: Mapping[str, Sequence[int]],
    measures: Sequence[str],
    *,
    from_ns: int,
    to_ns: int,
    bins: Bins | None = None,
) -> dict[tuple[str, str], dict[int | None, SensorSpread]]:
    """For each (zone, measure) the spread over the sensors that have values in a bin.

    Arguments and errors are those of `zone_averages`.
    """
    sensors: dict[str, list[int]] = {}
    zone_of: dict[str, str] = {}
    for zone, series in zones.items():
        for number in series:
            sensor = repr((zone, index.keys[number].dimensions))
            sensors.setdefault(sensor, []).append(number)
            zone_of[sensor] = zone
    averages = zone_averages(
        snapshot, index, sensors, measures, from_ns=from_ns, to_ns=to_ns, bins=bins, are_sensors=True
    )
    means: dict[tuple[str, str], dict[int | None, list[float]]] = {
        (zone, measure): {} for zone in zones for measure in measures
    }
    for (sensor, measure), rows in averages.items():
        of_zone = means[zone_of[sensor], measure]
        for row in rows:
            of_zone.setdefault(row.time_ns, []).append(row.average)
    return {key: {at: _spread(values) for at, values in sorted(of.items(), key=_start)} for key, of in means.items()}


def _start(entry: tuple[int | None, object]) -> int:
    return entry[0] or 0


def _spread(means: Sequence[float]) -> SensorSpread:
    p10, p50, p90 = np.percentile(means, _SENSOR_PERCENTILES).tolist()
    return SensorSpread(min(means), p10, p50, p90, max(means), len(means))
