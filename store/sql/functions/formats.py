"""Converts MySQL's formats of `date_format` and `date_parse` to DuckDB's. Reference: AWS "Date / time functions".

A specifier without an equivalent is rejected by name.
"""

from __future__ import annotations

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
