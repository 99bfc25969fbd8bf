"""MySQL's formats of `date_format` and `date_parse` as DuckDB's. Reference: AWS "Date / time functions"; Trino's table.

A specifier that has no counterpart, or means another thing there, is refused by name.
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
    """The format in DuckDB's specifiers. Raises ValueError, which names what is not known."""
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
