"""Pictures of series: what is drawn, and what is said if it cannot be written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.base.errors import PlotFailed
from pipeline.operations.cli.group import run
from pipeline.operations.plots import MOST_LINES, Chart, Line, save

MINUTE_NS = 60 * 10**9
START_NS = 1_780_000_000_000_000_000
TIMES = START_NS + np.arange(5) * MINUTE_NS
VALUES = np.array([1.0, np.nan, 3.0, 2.0, 5.0])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are written, in their order."""
    figures: list[Figure] = []
    write = Figure.savefig

    def kept(figure: Figure, path: Path) -> None:
        figures.append(figure)
        write(figure, path)

    monkeypatch.setattr(Figure, "savefig", kept)
    return figures


def test_lines_bounds_and_spans_are_drawn(tmp_path: Path, drawn: list[Figure]) -> None:
    """Names are shown as they are: matplotlib would take $ for a formula, and leave out what begins with _."""
    lines = [Line("_a$x$", TIMES, VALUES), Line("b", TIMES[:1], VALUES[:1]), Line("c", TIMES[:0], VALUES[:0])]

    save(tmp_path / "p.png", [Chart("$x$", lines, (4.0,), [(START_NS, START_NS + MINUTE_NS)]), Chart("empty", ())])

    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    (axes, empty) = drawn[0].axes
    assert axes.get_title("left") == "$x$"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["_a$x$", "b", "c"]
    first, _, _, bound = axes.get_lines()
    np.testing.assert_array_equal(first.get_xdata(), TIMES.astype("datetime64[ns]"))
    np.testing.assert_array_equal(first.get_ydata(), VALUES)
    assert [*np.asarray(bound.get_ydata())] == [4, 4]
    assert len(axes.patches) == 1
    assert not empty.get_lines()


def test_what_is_not_drawn_is_said(tmp_path: Path, drawn: list[Figure]) -> None:
    save(tmp_path / "p.svg", [Chart("t", [Line(str(i), TIMES, VALUES) for i in range(MOST_LINES + 2)])])

    assert len(drawn[0].axes[0].get_lines()) == MOST_LINES
    assert drawn[0].axes[0].get_title("left") == "t (and 2 more series)"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "p.svg"

    with pytest.raises(PlotFailed, match=f"{path} cannot be written: No such file"):
        save(path, [Chart("t", ())])


def test_the_end_of_the_name_is_checked_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", "none.csv", "--plot", "p.gif"]) == 2

    assert "p.gif must end in one of .png, .svg, .pdf" in capsys.readouterr().err
