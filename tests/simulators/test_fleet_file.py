"""FLEET.yaml is read into a valid fleet, or every problem is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

import simulators
from simulators.errors import FleetFileError
from simulators.fleet import Fleet, parse_rates
from simulators.fleet_file import load_fleet, parse_fleet
from simulators.simulation import Simulation
from simulators.start import parse_start_ns

FLEETS = Path(simulators.__file__).parent / "fleets"


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(FleetFileError) as caught:
        parse_fleet(text, "f.yaml")
    return caught.value.problems


@pytest.mark.parametrize("name", ["demo.yaml", "greenhouse.yaml"])
def test_the_shipped_fleets_can_run(name: str) -> None:
    simulation = Simulation(load_fleet(FLEETS / name), seed=1, start_ns=1_780_000_000_000_000_000)

    assert any(simulation.next_batch().payloads for _ in range(100))


def test_the_explained_fleet_shows_the_true_defaults() -> None:
    text = (FLEETS / "greenhouse.yaml").read_text()
    explained = parse_fleet(text, "greenhouse.yaml")
    default = Fleet(sensors=explained.sensors)

    for name in ("topic", "interval_s", "start", "outdoors", "measures"):
        assert getattr(explained, name) == getattr(default, name), name
    assert explained.faults.episode_s == default.faults.episode_s
    assert explained.layout.zones == default.layout.zones


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_valid_one() -> None:
    (problem,) = problems("sensors: 5\nlayuot:\n  zones: 3\n")
    assert problem.startswith('f.yaml:2: "layuot" is not a key known here; did you mean layout? there are sensors ')
    assert (
        'f.yaml:4: "cloudines" is not a key known here; did you mean cloudiness?'
        in problems("sensors: 5\noutdoors:\n  latitude: 3\n  cloudines: 0.5\n")[0]
    )
    plan = "sensors: 5\nfaults:\n  plan:\n  - {kind: late, sensors: [s-1], from: 1m}\n  - kind: late\n    sensor: s-1\n"
    assert any(
        problem.startswith('f.yaml:6: "sensor" is not a key known here; did you mean sensors?')
        for problem in problems(plan)
    )


def test_all_problems_are_told_at_once_in_order_of_lines() -> None:
    told = problems("sensors: 0\ninterval: 5 s\nlayout: {zones: 0}\n")

    assert [problem.split(":")[1] for problem in told] == sorted(problem.split(":")[1] for problem in told)
    assert any(problem.startswith("f.yaml:1: sensors: ") and "(it is 0)" in problem for problem in told)
    assert any('f.yaml:2: interval: "5 s" is not a duration' in problem for problem in told)
    assert any(problem.startswith("f.yaml:3: layout.zones: ") for problem in told)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1: sensors is missing"),
        ("sensors: 100001", "less than or equal to 100000 (it is 100001)"),
        ("sensors: [", "not YAML"),
        ("- 5", "f.yaml:1: "),
        ("sensors: 5\ntopic: a/{zoen}/{sensor}", "did you mean {zone}?"),
        ("sensors: 5\ntopic: a/{zone}", "must hold {sensor}"),
        ("sensors: 5\ntopic: a/#/{sensor}", "neither + nor #"),
        ("sensors: 5\nlayout: {zones: [a, a]}", "each once"),
        ("sensors: 5\nlayout: {zones: [a/b]}", '"a/b" cannot be a level'),
        ("sensors: 5\nfaults: {rates: {spyke: 0.1}}", "f.yaml:2: faults.rates.spyke"),
        ("sensors: 5\nfaults: {rates: {spike: 1.5}}", "(it is 1.5)"),
        ("sensors: 5\nfaults: {plan: [{kind: step, sensors: [s-00001], from: 1s}]}", "a step needs a measure"),
        (
            "sensors: 5\nfaults: {plan: [{kind: late, measure: co2, sensors: [s-00001], from: 1s}]}",
            "remove its measure",
        ),
        (
            "sensors: 5\nfaults: {plan: [{kind: dropout, sensors: [a], from: 1s, for: 5s, every: 5s}]}",
            "`every` must be longer than `for`",
        ),
        ("sensors: 5\noutdoors: {latitude: .nan}", "outdoors.latitude"),
    ],
)
def test_wrong_settings_are_refused_with_what_is_allowed(text: str, message: str) -> None:
    assert any(message in problem for problem in problems(text)), problems(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetFileError, match=r"absent\.yaml: cannot be read"):
        load_fleet(tmp_path / "absent.yaml")


def test_a_start_is_now_or_relative_or_a_time_with_its_offset() -> None:
    assert parse_start_ns("now", 5_000_000_000) == 5_000_000_000
    assert parse_start_ns("-2s", 5_000_000_000) == 3_000_000_000
    assert parse_start_ns("1970-01-01T01:00:00.5+01:00", 0) == 500_000_000
    for wrong in ("yesterday", "2026-06-21", "2026-06-21T06:00:00"):
        with pytest.raises(ValueError, match="is not a start time"):
            parse_start_ns(wrong, 0)


def test_rates_of_faults_are_read_or_refused() -> None:
    assert parse_rates("spike=0.1, clock-skew=1e-3") == {"spike": 0.1, "clock_skew": 0.001}
    with pytest.raises(ValueError, match='"spik" is not a kind of fault; did you mean spike'):
        parse_rates("spik=0.1")
    for wrong in ("spike", "spike=2", "spike=x", "spike=nan"):
        with pytest.raises(ValueError, match="is not a number from 0 to 1"):
            parse_rates(wrong)
