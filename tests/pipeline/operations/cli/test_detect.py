"""`streamgauge detect` writes a score for each row of a file, in its order, and says what is wrong with a file."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.operations.cli.group import run

ROWS = 320


def table() -> pa.Table:
    rng = np.random.default_rng(1)
    value = rng.normal(20, 1, ROWS)
    value[300] = 50
    time_ns = 1_780_000_000_000_000_000 + np.arange(ROWS) * 60 * 10**9
    return pa.table(
        {
            "at": pa.array(time_ns, pa.timestamp("ns", "UTC")),
            "x": value,
            "sensor": ["a", "b"] * (ROWS // 2),
            "is_open": [True] * ROWS,
        }
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    pa.parquet.write_table(table(), tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return [*csv.DictReader(stream)]


def test_each_row_has_a_score(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scores.csv"

    assert run(["detect", str(source), "--time-column", "at", "--value-column", "x", "-o", str(out)]) == 0

    found = rows(out)
    assert [*found[0]] == ["timestamp", "value", "anomaly_score"]
    assert [float(row["value"]) for row in found] == table()["x"].to_pylist()
    assert [number for number, row in enumerate(found) if float(row["anomaly_score"]) >= 0.5] == [300]
    assert capsys.readouterr().out == f"{out}: 320 rows, 1 with a score of at least 0.5\n"


def test_csv_is_read_and_scores_are_printed_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "in.csv"
    path.write_text("timestamp,value\n2026-06-01 00:00:00,1.5\n2026-06-01 00:01:00,\n")

    assert run(["detect", str(path)]) == 0

    expected = "2026-06-01T00:00:00Z,1.5,0.000000\n2026-06-01T00:01:00Z,,0.000000\n"
    assert capsys.readouterr().out == "timestamp,value,anomaly_score\n" + expected


def test_series_are_told_apart_and_may_be_peers(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    options = ["--time-column", "at", "--value-column", "x", "--by", "sensor", "--probation", "10", "-o", str(out)]

    assert run(["detect", str(source), *options]) == 0
    assert not any(float(row["anomaly_score"]) for row in rows(out)), "160 rows each are too few to be judged"
    assert run(["detect", str(source), *options, "--peers", "sensor"]) == 0


def test_a_counter_is_judged_by_how_fast_it_grows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "in.csv"
    counted = [5 * row if row < 250 else 5 * (row - 250) for row in range(300)]
    path.write_text("timestamp,value\n" + "".join(f"{row * 60_000},{value}\n" for row, value in enumerate(counted)))

    assert run(["detect", str(path), "--counter", "-o", str(tmp_path / "out.csv")]) == 0

    assert capsys.readouterr().out.endswith("300 rows, 0 with a score of at least 0.5\n")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--time-column", "at"], "has no column value of values; it has x, sensor, is_open"),
        (["--time-column", "when"], "has no column when; it has at, x, sensor, is_open"),
        (["--time-column", "at", "--value-column", "sensor"], "for the kinds `range`, `count` and `flatline`"),
        (["--time-column", "at", "--value-column", "is_open"], "must hold numbers, is bool: send states as numbers"),
        (["--time-column", "at", "--value-column", "x", "--by", "zone"], "has no column zone"),
        (["--probation", "-1"], "-1"),
        (["--time-column", "at", "--value-column", "x", "--time-zone", "Berlin"], '"Berlin" is not a time zone'),
    ],
)
def test_what_cannot_be_scored_is_told(
    source: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert run(["detect", str(source), *options]) != 0
    assert told in capsys.readouterr().err


def test_values_and_scores_are_drawn(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["--time-column", "at", "--value-column", "x", "--by", "sensor"]

    assert run(["detect", str(source), *columns, "--plot", str(tmp_path / "scores.svg")]) == 0

    assert (tmp_path / "scores.svg").read_text().count('<g id="axes_') == 2
    assert capsys.readouterr().out.startswith("timestamp,value,anomaly_score\n")
