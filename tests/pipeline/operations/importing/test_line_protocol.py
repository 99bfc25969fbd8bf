"""Lines of InfluxDB's protocol are read as InfluxDB writes them, and wrong ones are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operations.importing.line_protocol import point, points
from store.record import MeasureType

DOUBLE, BIGINT, BOOLEAN, VARCHAR = (
    MeasureType.DOUBLE,
    MeasureType.BIGINT,
    MeasureType.BOOLEAN,
    MeasureType.VARCHAR,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("m x=1", ("m", {}, {"x": (DOUBLE, 1.0)}, None)),
        ("m,a=b,c=d x=1.5,y=-2e3 17", ("m", {"a": "b", "c": "d"}, {"x": (DOUBLE, 1.5), "y": (DOUBLE, -2000.0)}, 17)),
        ("m x=7i,u=8u -5", ("m", {}, {"x": (BIGINT, 7), "u": (BIGINT, 8)}, -5)),
        ("m a=t,b=FALSE,c=True 1", ("m", {}, {"a": (BOOLEAN, True), "b": (BOOLEAN, False), "c": (BOOLEAN, True)}, 1)),
        (r"my\ m\,x,a\=b=c\ d\,e x=1 1", ("my m,x", {"a=b": "c d,e"}, {"x": (DOUBLE, 1.0)}, 1)),
        (r'm x="a \"b\" \\ c, d=e f" 1', ("m", {}, {"x": (VARCHAR, 'a "b" \\ c, d=e f')}, 1)),
        (r'm x="\n keeps its backslash" 1', ("m", {}, {"x": (VARCHAR, r"\n keeps its backslash")}, 1)),
        ('m x="",y="ß試😀" 1', ("m", {}, {"x": (VARCHAR, ""), "y": (VARCHAR, "ß試😀")}, 1)),
        (r"m,path=C:\dir x=1 1", ("m", {"path": r"C:\dir"}, {"x": (DOUBLE, 1.0)}, 1)),
        ("m,a=b  x=1  12", ("m", {"a": "b"}, {"x": (DOUBLE, 1.0)}, 12)),
    ],
)
def test_a_line_is_a_point(line: str, expected: object) -> None:
    assert point(line) == expected


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("m", "a tag, or a space before the fields, is expected at character 2"),
        ("m,a x=1", "a tag, or a space before the fields, is expected at character 2"),
        ("m x=", "a field is expected at character 3"),
        ("m x=1,", "a field is expected at character 7"),
        ("m x=1 1.5", "a time, a whole number, is expected at character 6"),
        ("m x=one 1", "one is no value of a field"),
        ("m x=9223372036854775808u 1", "9223372036854775808u does not fit into 64 bits"),
        ("m x=nan 1", "nan is no value of a field"),
    ],
)
def test_a_wrong_line_is_named(line: str, fault: str) -> None:
    with pytest.raises(ValueError, match="line 2: ") as raised:
        list(points(iter(["# a comment\n", line + "\n"])))

    assert fault in str(raised.value)


def test_a_text_may_have_line_breaks() -> None:
    lines = ["\n", 'm x="a\n', 'b" 1\n', "m x=2 2\n"]

    assert [(number, fields["x"][1]) for number, (_, _, fields, _) in points(iter(lines))] == [(2, "a\nb"), (4, 2.0)]


def escaped(text: str, characters: str) -> str:
    return "".join(f"\\{character}" if character in characters else character for character in text)


names = st.text(st.sampled_from("ab ,=ß試\"'"), min_size=1, max_size=5)


@given(names, st.dictionaries(names, names, max_size=3), st.text(st.sampled_from('ab ,="\\ß試\n'), max_size=6))
def test_what_is_escaped_comes_back(measurement: str, tags: dict[str, str], text: str) -> None:
    parts = [escaped(measurement, ", "), *(f"{escaped(k, ',= ')}={escaped(v, ',= ')}" for k, v in tags.items())]
    line = f'{",".join(parts)} x="{escaped(text, chr(34) + chr(92))}" 5'

    assert point(line) == (measurement, tags, {"x": (VARCHAR, text)}, 5)
