"""What list commands print: one place for every format; no digit is lost, no cell cut, no terminal moved."""

import csv
import io
import json
import math

import pytest

from pipeline.operations.cli.cells import cell, exact, json_text
from pipeline.operations.cli.output import Listing, show
from pipeline.operations.cli.terminal import lines_of

NASTY = 'a\tb\nc\rd"e,f\x1b[31m\x85\u2028\u202e\\n'
LISTING = Listing(
    ("name", "value", "more"),
    [(NASTY, 123456789012.345, {"a": 1.5, "b": None}), (None, None, [True, None]), ("", -0.0, {})],
    {"things": [{"name": NASTY, "value": 123456789012.345}]},
)


def printed(capsys: pytest.CaptureFixture[str], form: str) -> str:
    show(LISTING, form)
    return capsys.readouterr().out


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e300, 1.795466522826e12, 1.23456789012345e-7, -0.0, 2.0**53, math.pi])
def test_a_double_is_printed_with_all_its_digits(value: float) -> None:
    assert repr(float(cell(value))) == repr(float(exact(value))) == repr(value)


def test_a_row_in_a_pipe_is_one_line_of_visible_characters(capsys: pytest.CaptureFixture[str]) -> None:
    header, first, second, third = printed(capsys, "table").removesuffix("\n").split("\n")

    assert header == "name\tvalue\tmore"
    assert first == 'a\\tb\\nc\\rd"e,f\\x1b[31m\\x85\\u2028\\u202e\\n\t123456789012.345\ta=1.5 b='
    assert (second, third) == ("\t\t[true, null]", "\t-0.0\t")


def test_csv_keeps_every_character_and_tells_null_from_an_empty_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "csv")

    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1] == [NASTY, "123456789012.345", '{"a": 1.5, "b": null}']
    assert text.endswith('\n,,"[true, null]"\n"",-0.0,{}\n')


def test_json_is_one_line_that_reads_back_and_moves_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "json").removesuffix("\n")

    assert json.loads(text) == LISTING.document
    assert text.isprintable()


@pytest.mark.parametrize("indent", [None, 2])
def test_json_escapes_what_steers_in_any_layout(indent: int | None) -> None:
    assert json.loads(json_text({"x": NASTY + "\ud800"}, indent)) == {"x": NASTY + "\ud800"}
    assert not {"\x1b", "\x85", "\u202e"} & set(json_text({"x": NASTY}, indent))


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")
    return monkeypatch


@pytest.mark.usefixtures("wide")
def test_a_table_that_fits_the_terminal_is_aligned_numbers_to_the_right() -> None:
    rows = [("北", "1.5"), ("south", "10.25")]

    assert list(lines_of(["zone", "value"], rows, [False, True])) == [
        "zone   value",
        "北       1.5",
        "south  10.25",
    ]


@pytest.mark.usefixtures("wide")
def test_a_table_as_wide_as_the_terminal_fits_and_a_wider_one_is_a_block_a_row() -> None:
    fits, wider = "x" * 14, "x" * 15

    assert list(lines_of(["name", "v"], [(fits, "1234")], [False, True]))[1] == f"{fits}  1234"
    assert list(lines_of(["name", "v"], [(wider, "1234"), ("", "2")], [False, True])) == [
        "-[ 1 ]",
        f"name  {wider}",
        "v     1234",
        "-[ 2 ]",
        "name",
        "v     2",
    ]


def test_headings_are_bold_unless_no_color_is_asked_for(wide: pytest.MonkeyPatch) -> None:
    plain = list(lines_of(["a"], [], [False]))
    wide.delenv("NO_COLOR")

    assert (plain, list(lines_of(["a"], [], [False]))) == (["a"], ["\x1b[1ma\x1b[0m"])


@pytest.mark.usefixtures("wide")
def test_a_cell_wider_than_those_that_set_the_widths_is_not_cut() -> None:
    rows = [("a", "b")] * 1_000 + [("long " * 9, "b")]

    assert list(lines_of(["x", "y"], rows, [False, False]))[-1] == "long " * 9 + "  b"
