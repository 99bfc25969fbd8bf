"""The settings of a fleet: the number of sensors, their places, measurements and faults.

These are the settings of FLEET.yaml (`simulators/fleets/greenhouse.yaml` explains each by example). They are frozen and
valid once created; `simulators.fleet_file` reads the file, and reports where it is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from store.values.durations import parse_duration
from store.values.nearest import nearest
from store.values.templates import names_in

MAX_SENSORS = 100_000
PLACEHOLDERS = ("region", "greenhouse", "zone", "sensor")
MEASURES = ("temperature", "humidity", "co2", "soil_moisture")
DEFAULT_TOPIC = "greenhouse/{region}/{greenhouse}/{zone}/{sensor}"


class FaultKind(StrEnum):
    """The kinds of faults, and the meaning of the `magnitude` of each."""

    SPIKE = "spike"  # one reading is off by the magnitude
    STUCK = "stuck"  # the value stays what it was at the onset; magnitude 0
    DRIFT = "drift"  # the deviation grows linearly and reaches the magnitude at the end
    STEP = "step"  # the value is off by the magnitude all the time
    NOISE = "noise"  # Gaussian noise with the magnitude as standard deviation is added
    DROPOUT = "dropout"  # messages are not sent; magnitude 0
    LATE = "late"  # one message is published this many seconds after its time
    DUPLICATE = "duplicate"  # one message is published twice; magnitude 1
    CLOCK_SKEW = "clock_skew"  # the sensor's clock is off by this many seconds


VALUE_KINDS = frozenset({FaultKind.SPIKE, FaultKind.STUCK, FaultKind.DRIFT, FaultKind.STEP, FaultKind.NOISE})
SINGLE_KINDS = frozenset({FaultKind.SPIKE, FaultKind.LATE, FaultKind.DUPLICATE})


def _duration(value: object) -> object:
    return parse_duration(value).total_seconds() if isinstance(value, str) else value


DurationS = Annotated[float, BeforeValidator(_duration), Field(gt=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Layout(Settings):
    """The places of sensors. Names, or numbers; greenhouses are counted per region and zones per greenhouse."""

    regions: Annotated[int, Field(ge=1, le=1000)] | tuple[str, ...] = 1
    greenhouses: Annotated[int, Field(ge=1, le=10_000)] = 1
    zones: Annotated[int, Field(ge=1, le=1000)] | tuple[str, ...] = ("north", "south")

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for names in (self.regions, self.zones):
            if isinstance(names, tuple):
                check_names(names)
        return self


def check_names(names: tuple[str, ...]) -> None:
    """Raise ValueError unless these are one or more distinct names, each valid as a level of an MQTT topic."""
    for name in names:
        if not name or re.search(r"[/+#\x00-\x1f]", name):
            raise ValueError(f'"{name}" cannot be a level of an MQTT topic; use a name without / + #')
    if not names or len(set(names)) != len(names):
        raise ValueError("give at least one name, and each once")


class Outdoors(Settings):
    """The location and its weather. Temperatures in °C; irradiance follows from latitude (degrees north) and clouds."""

    latitude: Annotated[float, Field(ge=-65, le=65)] = 52.0
    mean_temperature: Annotated[float, Field(ge=-20, le=35)] = 10.0
    season_amplitude: Annotated[float, Field(ge=0, le=25)] = 8.0
    day_amplitude: Annotated[float, Field(ge=0, le=15)] = 5.0
    cloudiness: Ratio = 0.5


class Measure(Settings):
    """How one measure is taken: the standard deviations of a sensor's offset and of each reading's noise."""

    noise: Annotated[float, Field(ge=0)]
    offset: Annotated[float, Field(ge=0)]
    quantum: Annotated[float, Field(gt=0)]  # readings are multiples of it
    fault_scale: Annotated[float, Field(gt=0)]  # the size of a deviation that a grower would notice


class Measures(Settings):
    """The four measures; units °C, % relative humidity, ppm, % of volume. Noise as in data sheets of cheap sensors."""

    temperature: Measure = Measure(noise=0.08, offset=0.2, quantum=0.1, fault_scale=1.0)
    humidity: Measure = Measure(noise=0.5, offset=1.0, quantum=0.1, fault_scale=4.0)
    co2: Measure = Measure(noise=5.0, offset=15.0, quantum=1.0, fault_scale=60.0)
    soil_moisture: Measure = Measure(noise=0.15, offset=0.7, quantum=0.1, fault_scale=2.0)

    def as_tuple(self) -> tuple[Measure, ...]:
        """The measures in the order of `MEASURES`."""
        return (self.temperature, self.humidity, self.co2, self.soil_moisture)


class PlannedFault(Settings):
    """One planned fault: at `from` after the start, for `for`, and again each `every`."""

    kind: FaultKind
    sensors: Annotated[tuple[str, ...], Field(min_length=1)]
    measure: str | None = None  # needed by the kinds that change a value
    begins_s: DurationS = Field(alias="from")
    lasts_s: DurationS = Field(default=60.0, alias="for")
    every_s: DurationS | None = Field(default=None, alias="every")
    magnitude: float | None = None  # default: as a random fault of the kind would have

    @model_validator(mode="after")
    def _check_measure(self) -> Self:
        if self.kind in VALUE_KINDS and self.measure not in MEASURES:
            raise ValueError(f'a {self.kind} needs a measure ({" ".join(MEASURES)}), not "{self.measure}"')
        if self.kind not in VALUE_KINDS and self.measure is not None:
            raise ValueError(f"a {self.kind} concerns whole messages; remove its measure")
        if self.every_s is not None and self.every_s <= self.lasts_s:
            raise ValueError("`every` must be longer than `for`")
        return self


class Faults(Settings):
    """The faults: random, by rate per message, and planned."""

    rates: Mapping[FaultKind, Ratio] = {}
    episode_s: DurationS = Field(default=300.0, alias="episode")  # mean length of random faults that last
    plan: tuple[PlannedFault, ...] = ()


class Fleet(Settings):
    """A whole FLEET.yaml."""

    sensors: Annotated[int, Field(ge=1, le=MAX_SENSORS)]
    layout: Layout = Layout()
    topic: str = DEFAULT_TOPIC
    interval_s: Annotated[DurationS, Field(ge=0.001, le=86400)] = Field(default=5.0, alias="interval")
    start: str = "now"
    outdoors: Outdoors = Outdoors()
    measures: Measures = Measures()
    faults: Faults = Faults()

    @model_validator(mode="after")
    def _check_topic(self) -> Self:
        try:
            used = names_in(self.topic)
        except ValueError as error:
            raise ValueError(f'the MQTT topic "{self.topic}" {error}') from None
        for name in used:
            if name not in PLACEHOLDERS:
                near = nearest(name, PLACEHOLDERS)
                hint = f"did you mean {{{near}}}? " if near else ""
                known = " ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                raise ValueError(f"{{{name}}} in the MQTT topic is not known; {hint}there are {known}")
        if "sensor" not in used or re.search(r"[+#]", self.topic):
            raise ValueError(f'the MQTT topic "{self.topic}" must hold {{sensor}}, and neither + nor #')
        return self


def parse_rates(text: str) -> dict[FaultKind, float]:
    """Rates from `spike=0.001,stuck=0.0005`, the form of --faults. Raises ValueError with what is allowed."""
    rates: dict[FaultKind, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        name = name.strip().replace("-", "_")
        if name not in list(FaultKind):
            near = nearest(name, list(FaultKind))
            hint = f"did you mean {near}? " if near else ""
            raise ValueError(f'"{name}" is not a kind of fault; {hint}there are {" ".join(FaultKind)}')
        try:
            rate = float(number)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            raise ValueError(f'the rate "{number}" of {name} is not a number from 0 to 1 (a probability per message)')
        rates[FaultKind(name)] = rate
    return rates
