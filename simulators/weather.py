"""The weather outside, per region: sun, clouds, temperature, humidity and CO2, as functions of time and slow noise.

- Sun: declination by Cooper (1969), elevation by spherical trigonometry, clear-sky irradiance by Haurwitz (1945),
  clouds by Kasten & Czeplak (1980): G = 1098 · sin h · exp(-0.057 / sin h) · (1 - 0.75 · N^3.4) W/m².
- Temperature: yearly mean + season (coldest in mid-January on the northern half, mid-July on the southern) + day
  (warmest at 15 h solar time; clouds flatten it) + a slow deviation.
- Clouds and the deviation are Ornstein-Uhlenbeck processes: x += (mean - x)·Δt/τ + sd·√(2·Δt/τ)·N(0, 1).
- The dew point stays below the night's temperature, so that the air is moist in the night and dry in the afternoon.

Time of day is solar time at UTC: each region's own longitude shifts it by up to two hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.fleet import Outdoors

Floats = npt.NDArray[np.float64]

DAY_S = 86_400.0
YEAR_DAYS = 365.2425
COOPER_DEG = 23.45
CLOUD_TAU_S = 3 * 3600.0
DEVIATION_TAU_S = 2 * DAY_S
DEVIATION_SD_C = 2.5
CO2_OUTSIDE_PPM = 425.0
DEW_POINT_BELOW_C = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """The weather at one time, an array over regions each: °C, W/m², kg water per m³ of air, cloud cover 0 to 1."""

    temperature: Floats
    irradiance: Floats
    vapour: Floats
    cloud: Floats


class Weather:
    """The weather of some regions; `advance` advances it, in steps of well under an hour."""

    def __init__(self, settings: Outdoors, regions: int, rng: np.random.Generator) -> None:
        self._settings = settings
        self._rng = rng
        spread = 0.0 if regions == 1 else 1.0
        self._latitude = np.radians(settings.latitude + spread * rng.uniform(-3, 3, regions))
        self._solar_shift_s = spread * rng.uniform(-7200, 7200, regions)
        self._cloud = rng.normal(0, 1, regions)
        self._deviation_c = rng.normal(0, DEVIATION_SD_C, regions)

    def advance(self, time_s: float, step_s: float) -> Outside:
        """The weather at `time_s` (seconds since 1970, UTC), `step_s` after the last call."""
        self._cloud = self._drifted(self._cloud, step_s, CLOUD_TAU_S, 1.0)
        self._deviation_c = self._drifted(self._deviation_c, step_s, DEVIATION_TAU_S, DEVIATION_SD_C)
        # With the logistic curve, clear and overcast skies are more frequent than half-covered ones.
        ratio = min(max(self._settings.cloudiness, 0.01), 0.99)
        cloud = 1 / (1 + np.exp(-2.5 * (self._cloud + np.log(ratio / (1 - ratio)))))
        temperature, night = self._temperature(time_s, cloud)
        return Outside(temperature, self._irradiance(time_s, cloud), saturated_vapour(night - DEW_POINT_BELOW_C), cloud)

    def _drifted(self, x: Floats, step_s: float, tau_s: float, sd: float) -> Floats:
        ratio = min(step_s / tau_s, 1.0)
        return np.asarray(x - x * ratio + sd * np.sqrt(2 * ratio) * self._rng.normal(0, 1, len(x)))

    def _irradiance(self, time_s: float, cloud: Floats) -> Floats:
        declination = np.radians(COOPER_DEG) * np.sin(2 * np.pi * (284 + _day_of_year(time_s)) / 365)
        hour_angle = 2 * np.pi * ((time_s + self._solar_shift_s) % DAY_S / DAY_S - 0.5)
        sine = np.sin(self._latitude) * np.sin(declination) + np.cos(self._latitude) * np.cos(declination) * np.cos(
            hour_angle
        )
        above = np.maximum(sine, 1e-3)
        clear = np.where(sine > 0, 1098 * above * np.exp(-0.057 / above), 0.0)
        return np.asarray(clear * (1 - 0.75 * cloud**3.4))

    def _temperature(self, time_s: float, cloud: Floats) -> tuple[Floats, Floats]:
        """The current temperature, and that of the coming night's coldest hour."""
        season = -np.cos(2 * np.pi * (_day_of_year(time_s) - 15) / YEAR_DAYS) * np.sign(self._latitude)
        mean = self._settings.mean_temperature + self._settings.season_amplitude * season + self._deviation_c
        swing = self._settings.day_amplitude * (1 - 0.6 * cloud)
        hour = (time_s + self._solar_shift_s) % DAY_S / 3600
        return mean + swing * np.cos(2 * np.pi * (hour - 15) / 24), mean - swing


def saturated_vapour(temperature_c: Floats) -> Floats:
    """Water in saturated air, kg/m³: Magnus' formula (Alduchov & Eskridge 1996) and the ideal gas law."""
    pressure_pa = 610.94 * np.exp(17.625 * temperature_c / (temperature_c + 243.04))
    return np.asarray(pressure_pa / (461.5 * (temperature_c + 273.15)))


def _day_of_year(time_s: float) -> float:
    return time_s / DAY_S % YEAR_DAYS
