"""The climate inside each place (a zone of a greenhouse): heat, water vapour, CO2 and soil water, with their control.

Heat, vapour and CO2 follow the greenhouse-lettuce model of van Henten (1994, "Greenhouse climate management: an optimal
control approach", Wageningen), with its published parameters; h = 4.1 m is the mean height, v the ventilation in m/s:

    30000 · dT/dt = heating - (1290 · v + 6.1) · (T - T_out) + 0.2 · sun
    4.1 · dX/dt   = transpiration - (v + 0.75e-4) · (X - X_out)
    4.1 · dC/dt   = dosing + respiration - photosynthesis - (v + 0.75e-4) · (C - C_out)

Soil water is the bucket of FAO Irrigation and Drainage Paper 56, for a substrate of 60 mm: irrigation in, transpiration
and drainage out; a dry soil slows transpiration and photosynthesis by the stress coefficient Ks (FAO-56, equation 84).
So the sun warms, dries and feeds the crop, which moistens the air, takes its CO2 and drinks the soil; vents cool, dry
and bring CO2 back to that of the outside; water returns by irrigation, which wets the air a little as it evaporates.

Control is what growers' computers do: proportional heating and venting, venting against wet air, CO2 dosed by day
behind closed vents, irrigation switched on at a dry and off at a wet threshold. Steps are explicit Euler; the
fastest time constant is 6 minutes (vapour, vents open), so steps up to 60 s are safe.
"""

from __future__ import annotations

import numpy as np

from simulators.weather import CO2_OUTSIDE_PPM, Floats, Outside, saturated_vapour

MAX_STEP_S = 60.0
HEIGHT_M = 4.1
HEAT_CAPACITY = 30_000.0  # J/m²/°C
LEAK_M_S = 0.75e-4
MAX_VENT_M_S = 7.5e-3
MAX_HEAT_W = 150.0
MAX_DOSING = 1.2e-6  # kg CO2/m²/s
CO2_TARGET_PPM = 800.0
IRRIGATION_MM_S = 8.0 / 3600
IRRIGATION_EVAPORATED = 0.04  # ratio of the water that wets the air instead of the soil
SUBSTRATE_MM = 60.0
FIELD_CAPACITY = 38.0  # % of volume
WILTING_POINT = 12.0
DRAINAGE_PER_S = 1 / 7200


class Climate:
    """The state of all places; arrays over places. Units: °C, kg/m³ (vapour, CO2), % of volume (soil)."""

    def __init__(self, region: np.ndarray[tuple[int], np.dtype[np.intp]], rng: np.random.Generator) -> None:
        n = len(region)
        self._region = region
        self.temperature = rng.uniform(17, 20, n)
        self.vapour = saturated_vapour(self.temperature) * rng.uniform(0.6, 0.8, n)
        self.co2 = ppm_to_kg_m3(np.full(n, CO2_OUTSIDE_PPM), self.temperature)
        self.soil = rng.uniform(26, 33, n)
        self.is_irrigating = np.zeros(n, dtype=bool)
        # No two zones are built, planted and controlled in the same way.
        self._crop = 1 - np.exp(-53 * rng.uniform(0.03, 0.08, n))
        self._day_c, self._night_c = rng.normal(20, 0.7, n), rng.normal(17, 0.7, n)
        self._shade = rng.uniform(0.75, 1.0, n)
        self._dry, self._wet = rng.uniform(24, 27, n), rng.uniform(31, 34, n)

    def advance(self, outside: Outside, step_s: float) -> None:
        """Advance the state by `step_s`, at most `MAX_STEP_S`, with this weather."""
        sun = outside.irradiance[self._region] * self._shade
        t_out, x_out = outside.temperature[self._region], outside.vapour[self._region]
        c_out = ppm_to_kg_m3(np.full(len(sun), CO2_OUTSIDE_PPM), t_out)
        heat, vent, dosing = self._control(sun)
        self.is_irrigating = np.where(self.is_irrigating, self.soil < self._wet, self.soil < self._dry)
        water = IRRIGATION_MM_S * self.is_irrigating
        stress = np.clip((self.soil - WILTING_POINT) / (0.5 * (FIELD_CAPACITY - WILTING_POINT)), 0.0, 1.0)
        leaf = saturated_vapour(self.temperature + 0.002 * sun)
        transpired = self._crop * 3.6e-3 * stress * np.maximum(leaf - self.vapour, 0.0)
        exchange = vent + LEAK_M_S

        warming = heat - (1290 * vent + 6.1) * (self.temperature - t_out) + 0.2 * sun
        wetting = transpired + IRRIGATION_EVAPORATED * water - exchange * (self.vapour - x_out)
        feeding = dosing - stress * self._uptake(sun) - exchange * (self.co2 - c_out)
        draining = DRAINAGE_PER_S * np.maximum(self.soil - FIELD_CAPACITY, 0.0)
        soaking = ((1 - IRRIGATION_EVAPORATED) * water - transpired) / SUBSTRATE_MM * 100 - draining

        self.temperature = self.temperature + step_s / HEAT_CAPACITY * warming
        self.vapour = np.minimum(self.vapour + step_s / HEIGHT_M * wetting, saturated_vapour(self.temperature))
        self.co2 = np.maximum(self.co2 + step_s / HEIGHT_M * feeding, 1e-4)
        self.soil = np.clip(self.soil + step_s * soaking, 0.0, 60.0)

    def measures(self) -> Floats:
        """What sensors see, shape (4, places): temperature °C, relative humidity %, CO2 ppm, soil moisture %."""
        humidity = 100 * self.vapour / saturated_vapour(self.temperature)
        ppm = self.co2 / ppm_to_kg_m3(np.ones_like(self.co2), self.temperature)
        return np.stack([self.temperature, humidity, ppm, self.soil])

    def _control(self, sun: Floats) -> tuple[Floats, Floats, Floats]:
        """The current heating W/m², ventilation m/s and CO2 dosing kg/m²/s."""
        light = np.clip(sun / 100, 0.0, 1.0)
        target = self._night_c + (self._day_c - self._night_c) * light
        heat = np.clip(40 * (target - self.temperature), 0.0, MAX_HEAT_W)
        humidity = self.vapour / saturated_vapour(self.temperature)
        opening = np.clip((self.temperature - target - 3) / 5, 0.0, 1.0)
        opening = np.maximum(opening, 0.2 * np.clip((humidity - 0.82) / 0.1, 0.0, 1.0))
        missing = ppm_to_kg_m3(np.full(len(sun), CO2_TARGET_PPM), self.temperature) - self.co2
        dosing = MAX_DOSING * np.clip(missing / 1e-4, 0.0, 1.0) * light * (opening < 0.25)
        return heat, opening * MAX_VENT_M_S, dosing

    def _uptake(self, sun: Floats) -> Floats:
        """Photosynthesis less respiration, kg CO2/m²/s (van Henten's equations with his parameters)."""
        t, light = self.temperature, 3.55e-9 * sun
        conductance = np.maximum(-5.11e-6 * t**2 + 2.30e-4 * t - 6.29e-4, 1e-6) * (self.co2 - 5.2e-5)
        photosynthesis = self._crop * light * conductance / np.maximum(light + conductance, 1e-12)
        respiration = 4.87e-7 * 0.05 * 2 ** (0.1 * t - 2.5)
        return np.asarray(photosynthesis - respiration)


def ppm_to_kg_m3(ppm: Floats, temperature_c: Floats) -> Floats:
    """CO2 by the ideal gas law at 101,325 Pa; 0.044 kg/mol."""
    return np.asarray(ppm * 1e-6 * 0.044 * 101_325 / (8.314 * (temperature_c + 273.15)))
