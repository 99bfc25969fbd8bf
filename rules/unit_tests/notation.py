"""The notation of values: that of Prometheus' unit tests.

20 21.5 _ 22     one value an interval; _ is none
20x3             20 20 20 20: a value, and as often again
20+2x3           20 22 24 26
20-2x3           20 18 16 14
_x3              three intervals without a value
"""

from __future__ import annotations

import math
import re

MOST_VALUES = 1_000_000
TOO_MANY = f"has more than {MOST_VALUES} values"
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_NONE = re.compile(r"_(?:x([0-9]{1,7}))?")
_VALUE = re.compile(rf"({_NUMBER})(?:([-+](?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))?x([0-9]{{1,7}}))?")


def read_values(text: str) -> list[float]:
    """The values in `text`, NaN for none. Raises ValueError with the part that is wrong."""
    found: list[float] = []
    for part in text.split():
        found += _part(part)
        if len(found) > MOST_VALUES:
            raise ValueError(TOO_MANY)
    return found


def _part(part: str) -> list[float]:
    none, value = _NONE.fullmatch(part), _VALUE.fullmatch(part)
    if none is not None:
        return [math.nan] * int(none[1] or 1)
    if value is None:
        raise ValueError(f"has {part!r}, which is none of 20, 20x3, 20+2x3, 20-2x3, _, _x3")
    first, step, times = float(value[1]), float(value[2] or 0), int(value[3] or 0)
    if times >= MOST_VALUES:
        raise ValueError(TOO_MANY)
    return [first + step * n for n in range(times + 1)]
