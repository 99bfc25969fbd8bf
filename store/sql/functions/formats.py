"""Converts formats of times to DuckDB's: MySQL's of `date_format` and `date_parse`, Joda's of `format_datetime` and
`parse_datetime`. Reference: AWS "Date / time functions"; https://www.joda.org/joda-time/apidocs for Joda's.

What has no equivalent is rejected by name.
"""

from __future__ import annotations

import itertools
import re

_SPECIFIERS = {
    "a": "%a",
    "b": "%b",
    "c": "%-m",
    "d": "%d",
    "e": "%-d",
    "f": "%f",
    "H": "%H",
    "h": "%I",
    "I": "%I",
    "i": "%M",
    "j": "%j",
    "k": "%-H",
    "l": "%-I",
    "M": "%B",
    "m": "%m",
    "p": "%p",
    "r": "%I:%M:%S %p",
    "S": "%S",
    "s": "%S",
    "T": "%H:%M:%S",
    "v": "%V",
    "W": "%A",
    "x": "%G",
    "Y": "%Y",
    "y": "%y",
    "%": "%%",
}


def duckdb_format(text: str) -> str:
    """The format with DuckDB's specifiers. Raises ValueError with the first unknown specifier."""
    found: list[str] = []
    characters = iter(text)
    for character in characters:
        if character != "%":
            found.append(character)
            continue
        specifier = next(characters, "")
        if specifier not in _SPECIFIERS:
            raise ValueError(f"%{specifier} is not a specifier known here; there are {' '.join(_SPECIFIERS)}")
        found.append(_SPECIFIERS[specifier])
    return "".join(found)


WEEK = "\ue001"  # stands for the number of the week without a zero before it, which DuckDB does not write
# a letter of Joda's, by how often it is repeated: up to one, two, three, four times or more
_JODA = {
    **dict.fromkeys("yuY", ("%Y", "%y", "%Y", "%Y")),
    "x": ("%G", "%G", "%G", "%G"),
    **dict.fromkeys("ML", ("%-m", "%m", "%b", "%B")),
    "d": ("%-d", "%d"),
    "D": ("%-j", "%j", "%j"),
    "w": (WEEK, "%V"),
    "e": ("%u",),
    "E": ("%a", "%a", "%a", "%A"),
    "H": ("%-H", "%H"),
    "h": ("%-I", "%I"),
    "m": ("%-M", "%M"),
    "s": ("%-S", "%S"),
    "a": ("%p",),
}
_FRACTIONS = {3: "%g", 6: "%f", 9: "%n"}
_ZONES = {"z": ("UTC",) * 4, "Z": ("+0000", "+00:00", "UTC")}


def joda_format(text: str) -> tuple[str, bool]:
    """The format with DuckDB's specifiers, and whether it ends with a zone, which is left out.

    Raises ValueError with the first letters without an equivalent.
    """
    made = "".join(_joda_parts(text, {}))
    if WEEK in made:
        raise ValueError("w is not read")
    return (made, False) if "\0" not in made else (made.partition("\0")[0].rstrip(), True)


def has_zone(text: str) -> bool:
    """Whether a format of Joda's has the zone."""
    return re.search("[zZ]", re.sub("'[^']*'", "", text)) is not None


def joda_format_of_utc(text: str) -> str:
    """The same for writing times, which are UTC: a zone is written as such."""
    return "".join(_joda_parts(text, _ZONES))


def _joda_parts(text: str, zones: dict[str, tuple[str, ...]]) -> list[str]:
    parts: list[str] = []
    for quoted in re.findall(r"''|'[^']*'|[^']+|'", text):
        if quoted.startswith("'"):
            parts.append("'" if quoted in {"''", "'"} else quoted[1:-1].replace("%", "%%"))
            continue
        for letter, run in itertools.groupby(quoted):
            parts.append(_joda_part(letter, len(list(run)), zones))
    if "\0" in parts[:-1]:
        raise ValueError("a zone is read at the end of the format only")
    return parts


def _joda_part(letter: str, count: int, zones: dict[str, tuple[str, ...]]) -> str:
    if not letter.isalpha():
        return letter.replace("%", "%%") * count
    if letter == "S" and count in _FRACTIONS:
        return _FRACTIONS[count]
    if letter in "zZ":
        return zones[letter][min(count, len(zones[letter])) - 1] if zones else "\0"
    forms = _JODA.get(letter)
    if forms is None or (count > len(forms) and len(forms) < 4):
        raise ValueError(f"{letter * count} is not known here; there are {' '.join([*_JODA, 'SSS', 'z', 'Z'])}")
    return forms[min(count, len(forms)) - 1]
