"""The climate does what a grower knows of greenhouses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from simulators.climate import Climate
from simulators.fleet import Fleet, Outdoors
from simulators.simulation import Simulation
from simulators.weather import Outside, Weather, saturated_vapour

MIDSUMMER_NS = int(datetime(2026, 6, 21, tzinfo=UTC).timestamp()) * 1_000_000_000
MIDWINTER_NS = int(datetime(2026, 12, 21, tzinfo=UTC).timestamp()) * 1_000_000_000


def readings(days: float, start_ns: int, **settings: Any) -> dict[str, np.ndarray[Any, Any]]:
    """All readings of a small fleet without faults: hour of the day, and the measures."""
    fleet = Fleet.model_validate({"sensors": 8, "interval": "20m", "layout": {"greenhouses": 4}, **settings})
    simulation = Simulation(fleet, seed=5, start_ns=start_ns)
    rows: list[dict[str, float]] = []
    while simulation.next_due_ms <= simulation.start_ms + days * 86_400_000:
        rows += [json.loads(payload) for payload in simulation.next_batch().payloads]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {"hour": (columns["ts"] / 3.6e6) % 24, **columns}


@pytest.fixture(scope="module")
def summer() -> dict[str, np.ndarray[Any, Any]]:
    return readings(1, MIDSUMMER_NS)


def test_noon_is_warmer_and_drier_than_midnight(summer: dict[str, np.ndarray[Any, Any]]) -> None:
    noon, night = np.abs(summer["hour"] - 12) < 1, summer["hour"] < 2

    assert summer["temperature"][noon].mean() > summer["temperature"][night].mean() + 3
    assert summer["humidity"][noon].mean() < summer["humidity"][night].mean() - 5


def test_summer_days_are_warmer_than_winter_days(summer: dict[str, np.ndarray[Any, Any]]) -> None:
    winter = readings(1, MIDWINTER_NS)

    assert summer["temperature"].mean() > winter["temperature"].mean() + 1


def test_readings_stay_within_what_a_greenhouse_can_have(summer: dict[str, np.ndarray[Any, Any]]) -> None:
    bounds = {"temperature": (5, 45), "humidity": (20, 100), "co2": (150, 1500), "soil_moisture": (15, 45)}
    for name, (low, high) in bounds.items():
        assert low < summer[name].min(), name
        assert summer[name].max() <= high, name


def test_the_same_holds_from_the_arctic_to_the_equator_and_through_the_year() -> None:
    for latitude, mean, start_ns in ((65, -5, MIDWINTER_NS), (0, 27, MIDSUMMER_NS), (-45, 12, MIDWINTER_NS)):
        values = readings(0.5, start_ns, outdoors={"latitude": latitude, "mean_temperature": mean})
        assert values["temperature"].min() > -15
        assert values["temperature"].max() < 60
        assert values["humidity"].max() <= 100
        assert values["co2"].min() > 50


def still_air(climate: Climate, sun: float) -> Outside:
    """Weather as it is inside the mean place, with this sun."""
    temperature = np.array([float(climate.temperature.mean())])
    return Outside(temperature, np.array([sun]), saturated_vapour(temperature) * 0.7, np.zeros(1))


def a_climate() -> Climate:
    return Climate(np.zeros(50, dtype=np.intp), np.random.default_rng(3))


def test_irrigation_starts_in_dry_soil_raises_its_moisture_and_ends_in_wet_soil() -> None:
    climate = a_climate()
    climate.soil = np.full(50, 20.0)
    climate.advance(still_air(climate, 0), 60)
    before = climate.soil
    assert climate.is_irrigating.all()
    for _ in range(20):
        climate.advance(still_air(climate, 0), 60)
    assert (climate.soil > before + 1).all()
    for _ in range(200):
        climate.advance(still_air(climate, 0), 60)

    assert not climate.is_irrigating.any()
    assert climate.soil.max() < 38


def test_sun_makes_plants_drink() -> None:
    bright, dark = a_climate(), a_climate()
    bright.soil, dark.soil = np.full(50, 30.0), np.full(50, 30.0)
    for _ in range(60):
        bright.advance(still_air(bright, 600), 60)
        dark.advance(still_air(dark, 0), 60)

    assert (bright.soil < dark.soil).all()


def test_plants_in_dry_soil_take_less_co2() -> None:
    wet, dry = a_climate(), a_climate()
    wet.soil, dry.soil = np.full(50, 36.0), np.full(50, 13.0)
    for _ in range(5):
        wet.advance(still_air(wet, 400), 10)
        dry.advance(still_air(dry, 400), 10)

    assert (wet.co2 < dry.co2).all()


def test_the_sun_is_down_at_night_and_highest_at_noon() -> None:
    weather = Weather(Outdoors(latitude=52, cloudiness=0), 1, np.random.default_rng(1))
    day_s = MIDSUMMER_NS / 1e9
    sun = [float(weather.advance(day_s + hour * 3600, 3600).irradiance[0]) for hour in range(24)]

    assert sun[0] == sun[1] == sun[23] == 0
    assert max(sun) == sun[12]
    # Haurwitz at 61.4° of elevation is 904 W/m²; the rest is what few clouds take.
    assert 800 < sun[12] <= 905
