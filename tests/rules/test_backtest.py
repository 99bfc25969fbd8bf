"""Rules over history: the alerts of the stream, from tables, files and their pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from pipeline.operations.backtest_page import Picture, page
from pipeline.operations.cli.group import run
from rules.alerts.transition import Transition
from rules.replaying.backtest import Backtest, Layout, split
from store.record import DEFAULT_ACCOUNT, TableId
from tests.rules.rule_feed import SECOND, START, TABLE, Feed, rules_of
from tests.rules.test_kind_laws import BODIES, rows_of

RULES = """
groups:
  - name: g
    table: farm.air
    rules:
      - {alert: Hot, measure: temperature, range: {warning: {max: 30}, critical: {max: 40}}}
      - {alert: Cold, measure: temperature, range: {min: 0}}
"""
CSV = """time,sensor,zone,temperature
2026-06-01T00:00:00Z,a,north,20
2026-06-01T00:01:00Z,b,north,31
2026-06-01T00:00:30Z,a,north,41
2026-06-01T00:02:00Z,a,north,25
2026-06-02T00:00:00Z,b,north,-1
"""


@pytest.mark.parametrize(("seed", "every_s"), [(7, 1), (8, 7), (9, 29)])
@pytest.mark.parametrize("kind", BODIES)
def test_the_alerts_of_history_are_those_of_the_stream(kind: str, seed: int, every_s: int) -> None:
    """Ids included, whenever the stream has its ticks, if the rows came in the order of their times."""
    rules = rules_of(f"alert: A, {BODIES[kind]}")
    rows = sorted((row for row in rows_of(seed) if row[3] == 0), key=lambda row: row[1])
    feed = Feed(rules)
    found: list[Transition] = []
    upto_s = rows[0][1] - 1
    for sensor, second, values, _ in rows:
        for tick_s in range(upto_s + every_s, second, every_s):
            feed.ticks(tick_s)
            upto_s = tick_s
            found += feed.transitions
        index = feed.registry.of(TABLE)
        index.id_of(feed.key(sensor), f"zone-{sensor[0]}")
        made = feed.batch([(sensor, second, None)])
        made.measures.clear()
        made.measures.update({name: pa.array([value], pa.float64()) for name, value in values.items()})
        made.types.update(dict.fromkeys(values, made.types["temperature"]))
        index.zones[int(made.series[0])] = f"zone-{sensor[0]}"
        found += feed.engine.evaluate(made)

    history = Backtest(rules, TABLE, Layout("time", ("region", "sensor"), ("x", "y"), "zone", "name"))
    for part in np.array_split(np.arange(len(rows)), 5):
        chosen = [rows[place] for place in part]
        history.feed(
            pa.table(
                {
                    "time": pa.array([(START + row[1]) * SECOND for row in chosen], pa.timestamp("ns")),
                    "sensor": [row[0] for row in chosen],
                    "region": [row[0][0] for row in chosen],
                    "zone": [f"zone-{row[0][0]}" for row in chosen],
                    "name": ["climate" for _ in chosen],
                    **{name: pa.array([row[2][name] for row in chosen], pa.float64()) for name in "xy"},
                }
            )
        )

    assert sorted(history.alerts) == sorted({one.id for one in found if str(one.status) == "firing"})
    assert history.rows == len(rows)


def written(folder: Path, name: str = "data.csv") -> list[str]:
    """The arguments of a backtest over these rows."""
    (folder / "rules.yaml").write_text(RULES)
    (folder / "data.csv").write_text(CSV)
    if name.endswith(".parquet"):
        table = pa.csv.read_csv(folder / "data.csv")
        pa.parquet.write_table(table, folder / name)
    return ["rules", "backtest", str(folder / "rules.yaml"), "--data", str(folder / name), "--dimension", "sensor"]


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_a_file_is_judged_in_the_order_of_its_times(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run([*written(tmp_path, name), "--zone-column", "zone", "--format", "json"])

    assert code == 0
    assert [tuple(alert.values()) for alert in json.loads(capsys.readouterr().out)["alerts"]] == [
        ("2026-06-01T00:00:30Z", "2026-06-01T00:02:00Z", "g/Hot", "critical", "north", "sensor=a", 41),
        ("2026-06-01T00:01:00Z", "2026-06-02T00:00:00Z", "g/Hot", "warning", "north", "sensor=b", 31),
        ("2026-06-02T00:00:00Z", None, "g/Cold", None, "north", "sensor=b", -1),
    ]


def test_alerts_are_counted_by_day_and_by_sensor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(written(tmp_path))

    told = capsys.readouterr().out
    assert "2026-06-01\tg/Hot\t2\n2026-06-02\tg/Cold\t1\n" in told
    assert "sensor=a\tg/Hot\t1\n" in told


def test_only_the_rules_and_the_time_that_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cold = run([*written(tmp_path), "--rule", "g/Cold", "--format", "csv"])
    late = run([*written(tmp_path), "--from", "2026-06-02T00:00:00Z", "--format", "csv"])
    unknown = run([*written(tmp_path), "--rule", "g/Col"])

    lines = [line.split(",")[2] for line in capsys.readouterr().out.splitlines()]
    assert (cold, late, unknown) == (0, 0, 2)
    assert lines == ["rule", "g/Cold", "rule", "g/Cold"]


def test_a_file_without_a_named_column_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run([*written(tmp_path), "--dimension", "site"])

    assert code == 2
    assert "has no column site; it has time, sensor, zone, temperature" in capsys.readouterr().err


def test_the_page_shows_the_series_of_each_alert_with_its_bounds(tmp_path: Path) -> None:
    run([*written(tmp_path), "--html", str(tmp_path / "page.html")])

    text = (tmp_path / "page.html").read_text()
    assert text.count("<svg") == 3
    assert text.count('class="alert"') == 3
    assert text.count('class="bound"') == 3
    assert "g/Hot: temperature of a" in text


def test_the_picture_shows_the_series_of_each_alert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run([*written(tmp_path), "--plot", str(tmp_path / "alerts.svg")])

    assert code == 0
    assert (tmp_path / "alerts.svg").read_text().count('<g id="axes_') == 3
    assert f"the picture is {tmp_path / 'alerts.svg'}\n" in capsys.readouterr().err


def test_a_page_names_nothing_as_markup_and_may_be_empty() -> None:
    picture = Picture("<b>", np.array([0, 1]), np.array([1.0, 1.0]), (), [(0, 1)])

    assert "<b>" not in page("t", [picture])
    assert "No alert fired" in page("t", [])
    assert "none of the table" in page("t", [Picture("a", np.empty(0, np.int64), np.empty(0), (), ())])


def test_a_time_is_split_without_a_gap() -> None:
    assert list(split(0, 10, 4)) == [(0, 4), (4, 8), (8, 10)]


def test_the_account_of_history_is_the_default_one() -> None:
    history = Backtest(
        rules_of("alert: A, measure: x, range: {max: 1}"), TableId(DEFAULT_ACCOUNT, "a", "b"), Layout("t", (), ("x",))
    )
    history.feed(pa.table({"t": pa.array([1, 2], pa.timestamp("s")), "x": [math.nan, 2.0]}))

    assert history.alerts == {}


def test_silence_is_noticed_as_if_we_always_listened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From its last row on, until it is heard again or history ends."""
    rules = RULES.replace("measure: temperature, range: {min: 0}", "missing: {after: 10m}")
    arguments = written(tmp_path)
    (tmp_path / "rules.yaml").write_text(rules)

    run([*arguments, "--rule", "g/Cold", "--to", "2026-06-02T00:30:00Z", "--format", "json"])

    fired = [(alert["fired"], alert["resolved"]) for alert in json.loads(capsys.readouterr().out)["alerts"]]
    assert fired == [
        ("2026-06-01T00:11:00Z", "2026-06-02T00:00:00Z"),
        ("2026-06-01T00:12:00Z", None),
        ("2026-06-02T00:10:00Z", None),
    ]
