"""`query --plot` and `averages --plot` draw the answers of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from pipeline.base.errors import PlotFailed
from pipeline.operations.answer_charts import MOST_CHARTS, charts_of
from pipeline.operations.cli.block_chart import HEIGHT, lines_of
from pipeline.operations.cli.group import run
from pipeline.operations.client import Client

MINUTE_NS = 60 * 10**9
TIMES_NS = [3 * MINUTE_NS, MINUTE_NS, 2 * MINUTE_NS, None]
TABLE = pa.table(
    {
        "zone": ["a", "b", "a", "a"],
        "t": pa.array(TIMES_NS, pa.timestamp("ns", "UTC")),
        "mean": [1.5, 2.5, None, 9.0],
        "n": [1, 2, 3, 4],
    }
)


def test_each_column_of_numbers_is_a_chart_and_each_text_a_line() -> None:
    mean, count = charts_of(TABLE)

    assert (mean.title, count.title) == ("mean", "n")
    assert [(line.label, line.time_ns.tolist(), line.value.tolist()) for line in count.lines] == [
        ("a", [2 * MINUTE_NS, 3 * MINUTE_NS], [3, 1]),
        ("b", [MINUTE_NS], [2]),
    ]
    np.testing.assert_array_equal(mean.lines[0].value, [np.nan, 1.5])
    assert [[*chart.lines] for chart in charts_of(TABLE.slice(0, 0))] == [[], []]


def test_what_cannot_be_drawn_is_told() -> None:
    with pytest.raises(PlotFailed, match=r"one of numbers; the answer has zone \(string\), t \(timestamp"):
        charts_of(TABLE.select(["zone", "t"]))
    with pytest.raises(PlotFailed, match="21 columns of numbers; a picture has at most 20"):
        charts_of(pa.table({"t": TABLE["t"], **{f"n{i}": TABLE["n"] for i in range(MOST_CHARTS + 1)}}))


def test_a_query_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def post(_: Client, *path: str, body: dict[str, str]) -> httpx.Response:
        assert (path, body) == (("v1", "query"), {"sql": "SELECT 1", "format": "arrow"})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, TABLE.schema) as stream:
            stream.write_table(TABLE)
        return httpx.Response(200, content=sink.getvalue().to_pybytes(), headers={"streamgauge-truncated": "4"})

    monkeypatch.setattr(Client, "post", post)

    assert run(["query", "SELECT 1", "--plot", str(tmp_path / "p.svg")]) == 0
    assert run(["query", "SELECT 1", "--plot", str(tmp_path / "p.svg"), "--format", "csv"]) == 2

    assert (tmp_path / "p.svg").read_text().count('<g id="axes_') == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Only the first 4 rows" in told.err
    assert "leave out --format csv" in told.err


def test_averages_are_drawn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"time": f"2026-11-23T10:0{minute}:00Z", "average": float(minute)} for minute in (0, 1, 3)]
    north = {"zone": "north", "measure": "x", "unit": "celsius", "averages": rows}

    def get(_: Client, *_path: str, parameters: Any) -> dict[str, Any]:
        assert ("bin", "1m") in parameters
        return {"results": [north, {**north, "zone": "south", "averages": []}]}

    monkeypatch.setattr(Client, "get", get)
    arguments = ["averages", "north", "south", "--measure", "x", "--plot"]

    assert run([*arguments, "--bin", "1m"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        *("north x: 0 to 3 celsius", "   █", "   █", " ▃ █", "▁█ █"),
        *("2026-11-23T10:00:00Z to 2026-11-23T10:03:00Z", "south x: no averages"),
    ]
    assert run(arguments) == 2
    assert "--plot needs --bin" in capsys.readouterr().err


def test_a_long_series_fits_the_terminal_and_an_even_one_is_flat() -> None:
    long = [*lines_of(range(1000), range(1000), 80)]

    assert [len(line) for line in long] == [80] * HEIGHT
    assert (long[0][-1], long[-1][0], long[0][0]) == ("█", "▁", " ")
    assert [*lines_of([5], [1.0], 80)] == [" ", " ", " ", "█"]
