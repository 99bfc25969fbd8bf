"""InfluxDB's line protocol: `measurement,tag=value field=1.5,other="text" time`. Pure.

Tags become dimensions, fields measures, and the measurement is the measure name. Reference: InfluxDB documentation,
"Line protocol". A number is a double, with `i` a bigint, with `u` too (if it fits); booleans are t, true, f, false in
the cases that InfluxDB takes. What stands after a backslash is taken as it is where the protocol has an escape; a
backslash before any other character is a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from store.record import MeasureType

Value = float | int | bool | str
Point = tuple[str, dict[str, str], dict[str, tuple[MeasureType, Value]], int | None]
"""Measurement, tags, fields with their types, and the time in the file's precision (None: the line has none)."""

_KEY = r"(?:[^\\,= ]|\\.)+"
_HEAD = re.compile(r"((?:[^\\, ]|\\.)+)")
_TAG = re.compile(rf",({_KEY})=({_KEY})", re.DOTALL)
_FIELD = re.compile(rf'({_KEY})=("(?:[^\\"]|\\.)*"|[^", ]+)', re.DOTALL)
_TIME = re.compile(r" +(-?\d+)")
_TRUE, _FALSE = {"t", "T", "true", "True", "TRUE"}, {"f", "F", "false", "False", "FALSE"}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+[iu]")
_ESCAPED = re.compile(r"\\([,= \\])")
_ESCAPED_IN_TEXT = re.compile(r'\\(["\\])')


def points(lines: Iterator[str]) -> Iterator[tuple[int, Point]]:
    """The points, with the number of the line of each, from 1. Raises ValueError with the line."""
    for number, line in _whole_lines(lines):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                yield number, point(text)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}: {text[:100]}") from error


def _whole_lines(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; a text in quotes may have line breaks."""
    waiting, begins = "", 0
    for number, line in enumerate(lines, 1):
        begins = begins if waiting else number
        waiting += line
        if '"' not in waiting or _quotes(waiting) % 2 == 0:
            yield begins, waiting
            waiting = ""
    if waiting:
        yield begins, waiting


def _quotes(line: str) -> int:
    return line.replace("\\\\", "").replace('\\"', "").count('"')


def point(line: str) -> Point:
    """The point in a line. Raises ValueError."""
    head = _HEAD.match(line)
    if head is None:
        raise ValueError("no measurement")
    tags: dict[str, str] = {}
    at = head.end()
    while tag := _TAG.match(line, at):
        tags[_plain(tag[1])] = _plain(tag[2])
        at = tag.end()
    if line[at : at + 1] != " ":
        raise ValueError(f"a tag, or a space before the fields, is expected at character {at + 1}")
    at += len(line[at:]) - len(line[at:].lstrip(" "))
    fields: dict[str, tuple[MeasureType, Value]] = {}
    while field := _FIELD.match(line, at):
        fields[_plain(field[1])] = _value(field[2])
        at = field.end()
        if line[at : at + 1] != ",":
            break
        at += 1
    else:
        raise ValueError(f"a field is expected at character {at + 1}")
    time = _TIME.fullmatch(line, at)
    if time is None and line[at:].strip():
        raise ValueError(f"a time, a whole number, is expected at character {at + 1}")
    return _plain(head[1]), tags, fields, None if time is None else int(time[1])


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _value(text: str) -> tuple[MeasureType, Value]:
    if text[0] == '"':
        return MeasureType.VARCHAR, _ESCAPED_IN_TEXT.sub(r"\1", text[1:-1])
    if text in _TRUE or text in _FALSE:
        return MeasureType.BOOLEAN, text in _TRUE
    if _NUMBER.fullmatch(text):
        return MeasureType.DOUBLE, float(text)
    if _WHOLE.fullmatch(text):
        whole = int(text[:-1])
        if not -(2**63) <= whole < 2**63:
            raise ValueError(f"{text} does not fit into 64 bits")
        return MeasureType.BIGINT, whole
    raise ValueError(f"{text[:50]} is no value of a field")
