"""The kind `detector`: what is unusual fires, says why, and is the same however batches are cut and after restarts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from rule_feed import STREAM, TABLE, Feed, rules_of

from rules import Seen, warnings_of
from rules.alerts.transition import Transition, to_event
from rules.engine import Engine
from rules.files.parse import parse_rules
from rules.kinds.detector import NOT_NUMBERS
from rules.rule import RuleSet
from rules.values.arrays import Arrays, Float64s
from store.record import MeasureType, RecordBatch, SeriesRegistry

SECOND_NS = 10**9
START_S = 1_780_000_000
SENSORS = 5
SPIKE, SILENT = 240, range(250, 270)
BODY = 'measure: x, detector: {every: 1s}, annotations: {s: "{feature} {average} {expected:.1f} {p}"}'


def values(steps: int = 290) -> Float64s:
    """Five sensors of one zone, of which one spikes, and another is silent for a while. Shape (steps, sensors)."""
    found = 20 + np.random.default_rng(2).normal(0, 0.1, (steps, SENSORS))
    found += 5 * np.sin(np.arange(steps) / 40)[:, None]
    found[SPIKE, 1] += 6
    found[SILENT.start : SILENT.stop, 3] = np.nan
    return found


def batch(registry: SeriesRegistry, first: int, of: Float64s) -> RecordBatch:
    """Steps from `first` on as rows; without those that are silent."""
    index = registry.of(TABLE)
    ids = np.array([index.id_of(Feed.key(f"s{number}"), "zone-s") for number in range(SENSORS)], np.int32)
    step, sensor = np.nonzero(~np.isnan(of))
    time_ns = (START_S + first + step.astype(np.int64)) * SECOND_NS
    offset = (first + step) * SENSORS + sensor
    x = pa.array(of[step, sensor])
    version = np.ones(len(step), np.int64)
    return RecordBatch(
        index, STREAM, ids[sensor], time_ns, version, offset, time_ns, {"x": x}, {"x": MeasureType.DOUBLE}
    )


def told(rules: RuleSet, cuts: list[int], *, restarts: bool = False) -> list[Transition]:
    """What comes of the steps, in batches that end at `cuts`."""
    registry = SeriesRegistry()
    engine, of, first, found = Engine(rules, registry), values(), 0, []
    for end in (*cuts, len(of)):
        found += engine.evaluate(batch(registry, first, of[first:end]))
        first = end
        if restarts:
            engine.advance(STREAM, end * SENSORS - 1)
            data = engine.snapshot(TABLE)
            registry = SeriesRegistry()
            registry.of(TABLE).id_of(Feed.key("s4"), "zone-s")  # ids differ from process to process
            engine = Engine(rules, registry)
            assert engine.restore(TABLE, data) == []
    return found


@pytest.fixture(scope="module")
def whole() -> list[Transition]:
    return told(rules_of(f"alert: A, {BODY}"), [])


def test_a_spike_and_silence_fire_and_resolve_and_nothing_else_does(whole: list[Transition]) -> None:
    found = [(str(one.status), one.dimensions["sensor"]) for one in whole]

    assert found == [("firing", "s1"), ("resolved", "s1"), ("firing", "s3"), ("resolved", "s3")]
    assert whole[2].annotations["s"].startswith("missing")


def test_an_alert_says_what_was_expected(whole: list[Transition]) -> None:
    feature, average, expected, p = whole[0].annotations["s"].split()

    others = np.median(values()[SPIKE])
    assert feature == "spike"
    assert float(average) == pytest.approx(values()[SPIKE, 1])
    assert abs(float(expected) - others) < 0.3
    assert float(p) < 1e-6
    assert whole[0].value is not None
    assert whole[0].value > whole[0].bounds["max"]


def test_an_alert_has_what_was_known_of_its_value(whole: list[Transition]) -> None:
    spike, silence = (to_event(one)["event"]["data"]["explanation"] for one in (whole[0], whole[2]))

    assert spike["feature"] in ("spike", "season")
    assert spike["lower"] < spike["expected"] < spike["upper"] < spike["average"]
    assert (silence["feature"], silence["average"]) == ("missing", None)


def test_batches_and_restarts_change_nothing(whole: list[Transition]) -> None:
    found = told(rules_of(f"alert: A, {BODY}"), [3, 100, 239, 241, *range(250, 275, 3)], restarts=True)

    assert [replace(one, annotations={}) for one in found] == [replace(one, annotations={}) for one in whole]


def rule(detector: str) -> str:
    return f"groups: [{{name: g, table: d.t, rules: [{{alert: A, measure: x, detector: {detector}}}]}}]"


@pytest.mark.parametrize(
    ("detector", "bound"),
    [
        ("auto", 6.158),
        ("{}", 6.158),
        ("{method: auto, every: 5m}", 5.459),
        ("{budget: 2/day per 100 series}", 4.857),
    ],
)
def test_the_bound_follows_from_the_budget_and_how_often_is_judged(detector: str, bound: float) -> None:
    (found,), problems = parse_rules(rule(detector), "r.yaml")

    assert not problems
    assert found.condition.bounds.max == pytest.approx(bound, abs=1e-3)


@pytest.mark.parametrize(
    ("detector", "problem"),
    [
        ("prophet", "must be auto, is 'prophet'"),
        ("{budget: 5}", "must be alerts a day and series, as `1/day per 1000 series`, at most 10 of each, is '5'"),
        ("{budget: 0/day per 10 series}", "at most 10 of each"),
        ("{time_zone: Europe/Berln}", "did you mean Europe/Berlin?"),
        ("{counter: maybe}", "`counter` of `detector` of rule A must be true or false, is 'maybe'"),
        ("{every: 2h}", "`every` of `detector` of rule A must be at most 1h"),
    ],
)
def test_what_is_no_detector_is_refused(detector: str, problem: str) -> None:
    rules, problems = parse_rules(rule(detector), "r.yaml")

    assert rules == []
    assert problem in str(problems[0])


def test_days_are_learnt_by_the_clock_of_the_rule() -> None:
    """Each hour is in the bin of its local time."""
    bins = {}
    for zone in ("UTC", '"+05:00"'):
        feed = Feed(rules_of(f"alert: A, measure: temperature, detector: {{every: 1h, time_zone: {zone}}}"))
        feed.send(*(("s", hour * 3600, float(hour)) for hour in range(20)))
        ((_, watch),) = feed.engine.watches()
        bins[zone] = np.frombuffer(watch.judge.snapshot()["auto.season.day"], np.float32)

    assert np.isfinite(bins["UTC"]).sum() == 19
    assert np.array_equal(np.roll(bins["UTC"], 5), bins['"+05:00"'], equal_nan=True)


def test_a_rule_keeps_its_definition_unless_its_time_zone_is_changed() -> None:
    plain, utc, other = (
        rules_of(f"alert: A, measure: temperature, detector: {of}").rules[0].definition
        for of in ("auto", "{time_zone: UTC}", "{time_zone: Asia/Tokyo}")
    )

    assert plain == utc != other


def test_of_a_counter_it_is_judged_how_fast_it_grows() -> None:
    """It grows by 3 a second, and is reset within a window of ten seconds; however batches are cut."""
    rows = [("s", second, 3.0 * (second if second < 25 else second - 24)) for second in range(60)]
    whole, single = counted(rows), counted(*([row] for row in rows))

    assert np.frombuffer(whole["auto.season.level"]).tolist() == [3.0]
    assert np.frombuffer(whole["auto.season.scale"], np.float32).tolist() == [0.0]
    assert np.frombuffer(whole["auto.season.count"], np.uint16)[0] >= 4
    assert single == whole


def counted(*batches: list[tuple[str, int, float | None]]) -> Arrays:
    feed = Feed(rules_of("alert: A, measure: temperature, detector: {every: 10s, counter: true}"))
    for rows in batches:
        feed.send(*rows)
    ((_, watch),) = feed.engine.watches()
    return watch.judge.snapshot()


@pytest.mark.parametrize(("kind", "value"), [(MeasureType.BOOLEAN, True), (MeasureType.VARCHAR, "open")])
def test_states_are_refused_with_what_to_use_instead_and_counted(kind: MeasureType, value: object) -> None:
    feed = Feed(rules_of("alert: A, measure: temperature, detector: auto"))
    assert feed.engine.evaluate(feed.batch([("s", 0, value)], kind=kind)) == []  # type: ignore[list-item]  # no number

    ((_, rule, work, *_),) = feed.engine.work(0)
    (told,) = warnings_of(rule, Seen(feed.table, {"temperature": kind}, frozenset(), {"sensor": None}), work)

    assert work.not_numbers == 1
    assert told.text.endswith(f"is {kind}, and only numbers are judged: {NOT_NUMBERS} of a rule")
