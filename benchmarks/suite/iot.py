"""TSBS `iot`: trucks that send where and how they are, and eight of the kinds of question about a fleet.

https://github.com/timescale/tsbs names the kinds.
"""

from __future__ import annotations

import numpy as np
from suite.kinds import Doubles, Question, Random, Suite, SuiteTable, between, walks

READINGS, DIAGNOSTICS = '"suite"."readings"', '"suite"."diagnostics"'
STEP_MS = 10_000
HOUR_MS = 3_600_000
FLEETS = ("East", "West", "North", "South")
MODELS = ("F-150", "G-2000", "H-2")


def iot(random: Random, trucks: int, hours: int, end_ms: int) -> Suite:
    """`trucks` over the `hours` before `end_ms`."""
    times_ms = np.arange(end_ms - hours * HOUR_MS, end_ms, STEP_MS)
    things = [
        {
            "name": f"truck_{number}",
            "fleet": FLEETS[number % 4],
            "driver": ("Derek", "Rodney", "Albert", "Andy", "Seth", "Trish")[number % 6],
            "model": MODELS[number % 3],
        }
        for number in range(trucks)
    ]

    def walked(first: float, step: float, low: float, high: float) -> Doubles:
        return walks(random, trucks, len(times_ms), first, step, low, high)

    readings = {
        "latitude": walked(50, 0.1, -90, 90),
        "longitude": walked(10, 0.1, -180, 180),
        "velocity": walked(20, 3, 0, 100),
        "fuel_consumption": walked(25, 1, 0, 50),
    }
    diagnostics = {
        "fuel_state": np.round(walked(80, 0.3, 0, 100) / 100, 2),
        "load_ratio": np.round(walked(50, 1, 0, 100) / 100, 2),
    }
    tables = [
        SuiteTable("readings", things, times_ms, readings),
        SuiteTable("diagnostics", things, times_ms, diagnostics),
    ]
    return Suite("iot", tables, lambda random: _questions(random, end_ms - hours * HOUR_MS, end_ms))


def _questions(random: Random, start_ms: int, end_ms: int) -> list[Question]:
    fleet = str(random.choice(FLEETS))
    ten_minutes = (end_ms - 600_000, end_ms - 1)
    day = (start_ms, end_ms - 1)
    of_fleet, moving = f"fleet = '{fleet}'", "avg(velocity) > 1.0"
    last = "max_by({0}, time)".format
    tens = f"SELECT name, BIN(time, 10m) AS ten FROM {READINGS} WHERE {between(*day)} GROUP BY name, BIN(time, 10m)"
    driving = f"{tens} HAVING {moving}"
    return [
        Question(
            "last-loc",
            f"SELECT name, driver, {last('latitude')} AS latitude, {last('longitude')} AS longitude FROM {READINGS} "
            f"WHERE {of_fleet} GROUP BY name, driver ORDER BY name",
            f'last_over_time({{__name__=~"readings_(latitude|longitude)",fleet="{fleet}"}}[1d])',
            to_ms=end_ms,
        ),
        Question(
            "low-fuel",
            f"SELECT name, driver, {last('fuel_state')} AS fuel_state FROM {DIAGNOSTICS} "
            f"WHERE {of_fleet} GROUP BY name, driver HAVING {last('fuel_state')} <= 0.1 ORDER BY name",
            f'last_over_time(diagnostics_fuel_state{{fleet="{fleet}"}}[1d]) <= 0.1',
            to_ms=end_ms,
        ),
        Question(
            "high-load",
            f"SELECT name, driver, {last('load_ratio')} AS load_ratio FROM {DIAGNOSTICS} "
            f"WHERE {of_fleet} GROUP BY name, driver HAVING {last('load_ratio')} >= 0.9 ORDER BY name",
            f'last_over_time(diagnostics_load_ratio{{fleet="{fleet}"}}[1d]) >= 0.9',
            to_ms=end_ms,
        ),
        Question(
            "stationary-trucks",
            f"SELECT name, driver FROM {READINGS} WHERE {of_fleet} AND {between(*ten_minutes)} "
            f"GROUP BY name, driver HAVING avg(velocity) < 1.0 ORDER BY name",
            f'avg_over_time(readings_velocity{{fleet="{fleet}"}}[10m]) < 1',
            to_ms=end_ms,
        ),
        Question(
            "long-daily-sessions",
            f"SELECT name, count(*) AS tens FROM ({driving}) GROUP BY name HAVING count(*) > 60 ORDER BY name",
            "count_over_time((avg_over_time(readings_velocity[10m]) > 1)[1d:10m]) > 60",
            to_ms=end_ms,
        ),
        Question(
            "avg-fuel-consumption",
            f"SELECT fleet, avg(fuel_consumption) AS mean FROM {READINGS} "
            f"WHERE velocity > 1.0 AND {between(*day)} GROUP BY fleet ORDER BY fleet",
        ),
        Question(
            "avg-load",
            f"SELECT fleet, model, avg(load_ratio) AS mean FROM {DIAGNOSTICS} "
            f"WHERE {between(*day)} GROUP BY fleet, model ORDER BY 1, 2",
            "avg(avg_over_time(diagnostics_load_ratio[1d])) by (fleet, model)",
            to_ms=end_ms,
        ),
        Question(
            "daily-activity",
            f"SELECT ten, count(*) AS trucks FROM ({driving}) GROUP BY ten ORDER BY ten",
            "count(avg_over_time(readings_velocity[10m]) > 1)",
            *day,
            step="10m",
        ),
    ]
