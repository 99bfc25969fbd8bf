"""The place and name of each sensor of a fleet, and its phase in the interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.fleet import Fleet
from store.values.templates import fill


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """The sensors of a fleet. A *place* is one zone of one greenhouse, with one climate.

    names        of each sensor, `s-00042`; also its client id if it has its own connection
    mqtt_topics  of each sensor
    place        index of each sensor's place
    region       index of each place's region
    phase_s      when in the interval each sensor measures; ascending, so sensors are in order of their time
    """

    names: tuple[str, ...]
    mqtt_topics: tuple[str, ...]
    place: npt.NDArray[np.intp]
    region: npt.NDArray[np.intp]
    phase_s: npt.NDArray[np.float64]

    @property
    def regions(self) -> int:
        """How many regions have a sensor."""
        return int(self.region.max()) + 1


def lay_out(fleet: Fleet, rng: np.random.Generator) -> Site:
    """The site of this fleet: sensors are spread evenly over all places; neighbours in phase are far apart in space."""
    regions = _names(fleet.layout.regions, "region-{:02}")
    zones = _names(fleet.layout.zones, "zone-{}")
    greenhouses = [
        (region, f"gh-{r * fleet.layout.greenhouses + g + 1:02}")
        for r, region in enumerate(regions)
        for g in range(fleet.layout.greenhouses)
    ]
    places = [(region, greenhouse, zone) for region, greenhouse in greenhouses for zone in zones]
    place = np.arange(fleet.sensors) * len(places) // fleet.sensors if fleet.sensors > len(places) else None
    place = np.arange(fleet.sensors) if place is None else place
    names = tuple(f"s-{number:05}" for number in range(1, fleet.sensors + 1))
    topics = []
    for name, at in zip(names, place.tolist(), strict=True):
        region, greenhouse, zone = places[at]
        topic = fill(fleet.topic, {"region": region, "greenhouse": greenhouse, "zone": zone, "sensor": name})
        topics.append(str(topic))  # it has no other placeholders
    order = rng.permutation(fleet.sensors)
    return Site(
        tuple(names[i] for i in order),
        tuple(topics[i] for i in order),
        place[order],
        np.array([regions.index(region) for region, _, _ in places[: int(place.max()) + 1]]),
        # Whole milliseconds, as in payloads.
        np.sort(np.floor(rng.uniform(0, fleet.interval_s, fleet.sensors) * 1000) / 1000),
    )


def _names(names: int | tuple[str, ...], pattern: str) -> tuple[str, ...]:
    return names if isinstance(names, tuple) else tuple(pattern.format(number) for number in range(1, names + 1))
