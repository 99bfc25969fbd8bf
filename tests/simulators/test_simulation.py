"""A run is a function of fleet, seed and start; its messages are what devices would send."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import pytest

from simulators.fleet import Fleet
from simulators.labels import format_labels
from simulators.simulation import Batch, Simulation

START_NS = 1_780_000_000_000_000_000
ALL_FAULTS = dict.fromkeys(
    ["spike", "stuck", "drift", "step", "noise", "dropout", "late", "duplicate", "clock_skew"], 0.002
)


def simulation(seed: int = 1, **settings: Any) -> Simulation:
    return Simulation(Fleet.model_validate({"sensors": 60, **settings}), seed=seed, start_ns=START_NS)


def batches(run: Simulation, seconds: float) -> list[Batch]:
    """The batches of the first seconds, and the late rest."""
    taken = []
    while run.next_due_ms <= run.start_ms + seconds * 1000:
        taken.append(run.next_batch())
    return [*taken, run.rest()]


def messages(run: Simulation, seconds: float) -> list[tuple[str, bytes]]:
    return [
        (run.site.names[sensor], payload)
        for batch in batches(run, seconds)
        for sensor, payload in zip(batch.sensors, batch.payloads, strict=True)
    ]


def test_equal_seeds_give_equal_messages_and_labels() -> None:
    first, second = (simulation(faults={"rates": ALL_FAULTS}) for _ in range(2))

    assert messages(first, 120) == messages(second, 120)
    assert format_labels(first.labels, as_csv=True) == format_labels(second.labels, as_csv=True)
    assert len({label.kind for label in first.labels}) == len(ALL_FAULTS)


def test_another_seed_gives_other_messages() -> None:
    assert messages(simulation(seed=1), 10) != messages(simulation(seed=2), 10)


def test_each_sensor_sends_once_in_an_interval_at_a_phase_of_its_own() -> None:
    run = simulation(interval="5s")
    sent = messages(run, 20)

    assert Counter(name for name, _ in sent) == dict.fromkeys(run.site.names, 4)
    times: dict[str, list[int]] = {}
    for name, payload in sent:
        times.setdefault(name, []).append(json.loads(payload)["ts"])
    assert all(later - earlier == 5000 for row in times.values() for earlier, later in itertools.pairwise(row))
    assert len({row[0] for row in times.values()}) > 50


def test_no_message_is_due_before_its_own_time_and_none_is_50_ms_old() -> None:
    for batch in batches(simulation(), 20):
        for payload in batch.payloads:
            assert 0 <= batch.due_ms - json.loads(payload)["ts"] <= 50


def test_readings_are_multiples_of_the_quantum() -> None:
    for _, payload in messages(
        simulation(measures={"temperature": {"quantum": 0.25, "noise": 1, "offset": 1, "fault_scale": 1}}), 10
    ):
        reading = json.loads(payload)
        assert reading["temperature"] * 4 == int(reading["temperature"] * 4)
        assert isinstance(reading["co2"], int)
        assert list(reading) == ["ts", "temperature", "humidity", "co2", "soil_moisture"]


@pytest.mark.parametrize("sensors", [1, 3, 7, 500])
def test_sensors_spread_evenly_over_all_zones(sensors: int) -> None:
    run = simulation(sensors=sensors, layout={"regions": 2, "greenhouses": 2, "zones": ["a", "b"]})
    zones = Counter(topic.rsplit("/", 1)[0] for topic in run.site.mqtt_topics)

    assert len(zones) == min(sensors, 8)
    assert max(zones.values()) - min(zones.values()) <= 1
    assert len(set(run.site.mqtt_topics)) == sensors


def test_topics_follow_the_template() -> None:
    run = simulation(sensors=1, topic="farm/{greenhouse}/{sensor}/climate", layout={"regions": ["eu"]})

    assert run.site.mqtt_topics == ("farm/gh-01/s-00001/climate",)


def test_sensors_of_one_zone_agree_and_zones_differ() -> None:
    run = simulation(sensors=200, layout={"greenhouses": 2, "zones": 2})
    values: dict[str, list[float]] = {}
    topics = dict(zip(run.site.names, run.site.mqtt_topics, strict=True))
    for name, payload in messages(run, 5):
        values.setdefault(topics[name].rsplit("/", 1)[0], []).append(json.loads(payload)["soil_moisture"])
    spread = [max(row) - min(row) for row in values.values()]
    means = [sum(row) / len(row) for row in values.values()]

    assert max(spread) < 8
    assert max(means) - min(means) > 1
