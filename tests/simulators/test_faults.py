"""Labels tell exactly what was done to the messages: a run with faults is compared with the same run without."""

from __future__ import annotations

import csv
import io
import itertools
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from simulators.fleet import Fleet
from simulators.labels import COLUMNS, format_labels, write_labels
from simulators.simulation import Simulation

START_NS = 1_780_000_000_000_000_000
START_MS = START_NS // 1_000_000
Reading = dict[str, float]


def run(
    *plan: dict[str, Any], seconds: float = 60, rates: dict[str, float] | None = None
) -> tuple[list[tuple[int, str, Reading]], Simulation]:
    """(due, sensor, reading) of each message of 20 sensors that publish each second."""
    settings = {"sensors": 20, "interval": "1s", "faults": {"plan": plan, "rates": rates or {}, "episode": "20s"}}
    simulation = Simulation(Fleet.model_validate(settings), seed=9, start_ns=START_NS)
    out: list[tuple[int, str, Reading]] = []
    while simulation.next_due_ms <= START_MS + seconds * 1000:
        batch = simulation.next_batch()
        out += [
            (batch.due_ms, simulation.site.names[s], json.loads(p))
            for s, p in zip(batch.sensors, batch.payloads, strict=True)
        ]
    return out, simulation


def of(messages: list[tuple[int, str, Reading]], sensor: str) -> dict[float, Reading]:
    return {reading["ts"]: reading for _, name, reading in messages if name == sensor}


@pytest.fixture(scope="module", autouse=True)
def _healthy_run() -> None:
    messages, _ = run()
    HEALTHY.update(of(messages, "s-00003"))
    OTHERS[:] = [message for message in messages if message[1] != "s-00003"]  # also where it is set up again


HEALTHY: dict[float, Reading] = {}  # what s-00003 sends without a fault
OTHERS: list[tuple[int, str, Reading]] = []  # what all other sensors send


def faulty(kind: str, **settings: Any) -> tuple[dict[float, Reading], Simulation]:
    """The readings of s-00003 with one planned fault from 10 s to 30 s; no other sensor is touched."""
    fault = {"kind": kind, "sensors": ["s-00003"], "from": "10s", "for": "20s", **settings}
    messages, simulation = run(fault)
    assert [message for message in messages if message[1] != "s-00003"] == OTHERS
    return of(messages, "s-00003"), simulation


def labelled(simulation: Simulation) -> tuple[int, int]:
    (label,) = simulation.labels
    assert label.sensor == "s-00003"
    assert label.mqtt_topic.endswith("/s-00003")
    return label.first_ms, label.last_ms


def changed(readings: dict[float, Reading]) -> list[float]:
    """Times of readings that are not as they would be without a fault."""
    return [ts for ts, reading in readings.items() if HEALTHY.get(ts) != reading]


def test_a_step_moves_every_labelled_reading_and_no_other() -> None:
    readings, simulation = faulty("step", measure="temperature", magnitude=12.5)
    first, last = labelled(simulation)

    assert changed(readings) == [ts for ts in HEALTHY if first <= ts <= last]
    assert len(changed(readings)) == 20
    assert START_MS + 10_000 <= first < START_MS + 11_000
    for ts in changed(readings):
        assert readings[ts]["temperature"] == pytest.approx(HEALTHY[ts]["temperature"] + 12.5, abs=0.051)
        assert readings[ts]["humidity"] == HEALTHY[ts]["humidity"]


def test_a_spike_is_one_reading() -> None:
    readings, simulation = faulty("spike", measure="co2", magnitude=-200)
    (ts,) = changed(readings)

    assert labelled(simulation) == (ts, ts)
    assert readings[ts]["co2"] == HEALTHY[ts]["co2"] - 200


def test_a_stuck_sensor_repeats_the_value_of_its_first_labelled_reading() -> None:
    readings, simulation = faulty("stuck", measure="temperature")
    first, last = labelled(simulation)
    values = {reading["temperature"] for ts, reading in readings.items() if first <= ts <= last}

    assert values == {HEALTHY[first]["temperature"]}
    assert len({reading["temperature"] for ts, reading in HEALTHY.items() if first <= ts <= last}) > 1


def test_a_drift_grows_evenly_to_its_magnitude() -> None:
    readings, simulation = faulty("drift", measure="humidity", magnitude=-20)
    first, last = labelled(simulation)
    deviations = [readings[ts]["humidity"] - HEALTHY[ts]["humidity"] for ts in HEALTHY if first <= ts <= last]

    assert deviations[0] == 0
    assert deviations[-1] == pytest.approx(-20, abs=1.5)
    steps = [later - earlier for earlier, later in itertools.pairwise(deviations)]
    assert all(step == pytest.approx(-20 / 20, abs=0.25) for step in steps)


def test_noise_widens_the_readings() -> None:
    readings, simulation = faulty("noise", measure="temperature", magnitude=5)
    first, last = labelled(simulation)
    deviations = [readings[ts]["temperature"] - HEALTHY[ts]["temperature"] for ts in HEALTHY if first <= ts <= last]

    assert max(deviations) > 2
    assert min(deviations) < -2


def test_a_dropout_keeps_back_the_labelled_messages() -> None:
    readings, simulation = faulty("dropout")
    first, last = labelled(simulation)

    assert set(HEALTHY) - set(readings) == {ts for ts in HEALTHY if first <= ts <= last}
    assert len(HEALTHY) - len(readings) == 20


def test_a_late_message_comes_its_magnitude_later() -> None:
    messages, simulation = run({"kind": "late", "sensors": ["s-00003"], "from": "10s", "magnitude": 30})
    (late,) = [(due, reading) for due, _, reading in messages if due - reading["ts"] > 50]

    assert labelled(simulation) == (late[1]["ts"], late[1]["ts"])
    assert 30_000 <= late[0] - late[1]["ts"] <= 30_050


def test_a_message_still_late_at_the_end_is_in_the_rest() -> None:
    messages, simulation = run({"kind": "late", "sensors": ["s-00003"], "from": "10s", "magnitude": 3000})
    rest = [json.loads(payload)["ts"] for payload in simulation.rest().payloads]

    assert rest == [simulation.labels[0].first_ms]
    assert rest[0] not in of(messages, "s-00003")


def test_a_duplicate_comes_twice_with_the_same_payload() -> None:
    messages, simulation = run({"kind": "duplicate", "sensors": ["s-00003"], "from": "10s"})
    readings = [(name, json.dumps(reading)) for _, name, reading in messages]
    (twice,) = {message for message in readings if readings.count(message) == 2}

    assert labelled(simulation)[0] == json.loads(twice[1])["ts"]


def test_a_skewed_clock_is_labelled_in_its_own_times() -> None:
    readings, simulation = faulty("clock_skew", magnitude=-90.5)
    first, last = labelled(simulation)

    assert sorted(set(readings) - set(HEALTHY)) == sorted(ts - 90_500 for ts in set(HEALTHY) - set(readings))
    assert min(set(readings) - set(HEALTHY)) == first
    assert max(set(readings) - set(HEALTHY)) == last


def test_every_repeats_a_fault() -> None:
    fault = {"kind": "step", "sensors": ["s-00003"], "measure": "co2", "from": "10s", "for": "5s", "every": "50s"}
    _, simulation = run(fault, seconds=120)

    assert [(label.first_ms - START_MS) // 1000 for label in simulation.labels] == [10, 60, 110]
    assert [label.last_ms - label.first_ms for label in simulation.labels] == [4000, 4000, 4000]


def test_faulty_values_stay_within_what_the_sensor_can_show() -> None:
    readings, _ = faulty("step", measure="humidity", magnitude=500)

    assert max(reading["humidity"] for reading in readings.values()) == 100


def test_random_faults_come_at_their_rate_and_one_at_a_time_per_sensor() -> None:
    _, simulation = run(seconds=500, rates={"spike": 0.01, "stuck": 0.001})
    kinds = [label.kind for label in simulation.labels]

    assert 70 <= kinds.count("spike") <= 130  # 10,000 messages
    assert 2 <= kinds.count("stuck") <= 20
    by_sensor: dict[str, int] = {}
    for label in sorted(simulation.labels, key=lambda label: label.first_ms):
        assert label.first_ms > by_sensor.get(label.sensor, 0)
        by_sensor[label.sensor] = label.last_ms


def test_a_plan_for_a_sensor_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match='there is no sensor "s-99999"; they are s-00001 to s-00020'):
        run({"kind": "dropout", "sensors": ["s-99999"], "from": "1s"})


def test_both_label_files_hold_the_same(tmp_path: Path) -> None:
    _, simulation = run(rates={"spike": 0.01, "late": 0.01})
    write_labels(tmp_path / "labels.csv", simulation.labels)
    write_labels(tmp_path / "labels.jsonl", simulation.labels)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "labels.csv").read_text())))
    objects = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]

    assert [{name: str(value) for name, value in row.items()} for row in objects] == rows
    assert tuple(rows[0]) == COLUMNS
    assert datetime.fromisoformat(rows[0]["from"]).timestamp() * 1000 == pytest.approx(
        min(label.first_ms for label in simulation.labels)
    )
    assert format_labels([], as_csv=True) == ",".join(COLUMNS) + "\n"
