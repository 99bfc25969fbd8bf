"""The value of one measure by its type: what a JSON scalar becomes in a column of that type.

The type is, in this order: that of the existing measure, the configured one, or that of the value: every number is a
double, true and false are booleans, text is varchar. A value that does not fit its column does not affect its message:
it is stored in another measure, `<name>_double`, `<name>_boolean` or `<name>_text`. Text is read as a number if the
column is one; words for "no value" are no value, except in a column of text. Empty text is no value in a column of
another type, and text if the type is not decided yet. A column with a configured type accepts a little more: booleans
as 1 and 0 and vice versa, and every scalar as text.
"""

from __future__ import annotations

import enum
import math
import re
from typing import Final, Literal, TypeAlias

import orjson

from pipeline.stream.normalise.body import Scalar
from store.catalog.units import Conversion
from store.record import MeasureType

MAX_EXACT = 2**53  # integers up to here are exact in a double
_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_MAX_DIGITS = 400  # of text that is read as a number; longer text stays text

# What devices and their libraries write if they have no value: Home Assistant, Node-RED, C's printf, weather
# stations. In lower case.
_NO_NUMBER = (sign + word for sign in ("", "+", "-") for word in ("nan", "inf", "infinity"))
NOTHING = frozenset(
    {"", "-", "--", "---", "n/a", "none", "null", "undefined", "unknown", "unavailable", *_NO_NUMBER},
)
_TRUE, _FALSE = frozenset({"true", "on", "1"}), frozenset({"false", "off", "0"})


class Verdict(enum.Enum):
    """Why a value is not in its column."""

    ABSENT = enum.auto()  # it means "no value"
    OTHER_COLUMN = enum.auto()  # it is stored in another column


ABSENT: Final = Verdict.ABSENT
OTHER_COLUMN: Final = Verdict.OTHER_COLUMN
Fitted: TypeAlias = Scalar | Literal[Verdict.ABSENT, Verdict.OTHER_COLUMN]

SUFFIX = {MeasureType.DOUBLE: "_double", MeasureType.BOOLEAN: "_boolean", MeasureType.VARCHAR: "_text"}


def type_said_by(value: Scalar) -> MeasureType:
    """The type of an unlisted measure by its value."""
    if isinstance(value, bool):
        return MeasureType.BOOLEAN
    return MeasureType.VARCHAR if isinstance(value, str) else MeasureType.DOUBLE


def says_nothing(value: Scalar) -> bool:
    """Whether it means "no value": a word for it, or a number that is not finite."""
    if isinstance(value, str):
        return value.strip().lower() in NOTHING
    return isinstance(value, float) and not math.isfinite(value)


def is_word(value: Scalar) -> bool:
    """Whether it is meaningful text."""
    return isinstance(value, str) and not says_nothing(value)


def is_text(value: Scalar) -> bool:
    """Whether it makes an undecided measure one of text: empty text does, "unknown" does not."""
    return is_word(value) or (isinstance(value, str) and not value.strip())


def number_of(text: str) -> int | float | None:
    """The number that the whole `text` is, else None; infinite beyond a double."""
    text = text.strip()
    if len(text) > _MAX_DIGITS or _NUMBER.fullmatch(text) is None:
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def fitted(value: Scalar, column: MeasureType, convert: Conversion | None, *, is_configured: bool) -> Fitted:
    """`value` in a column of this type. `is_configured`: the type is configured."""
    if column is MeasureType.VARCHAR:
        if isinstance(value, str):
            return value
        if says_nothing(value):
            return ABSENT
        return orjson.dumps(value).decode() if is_configured else OTHER_COLUMN
    if says_nothing(value):
        return ABSENT
    if column is MeasureType.BOOLEAN:
        return _boolean(value, is_configured)
    number = number_of(value) if isinstance(value, str) else value
    if number is None or (isinstance(number, bool) and not is_configured):
        return OTHER_COLUMN
    if column is MeasureType.DOUBLE:
        return _double(number, convert)
    return _bigint(number, convert) if column is MeasureType.BIGINT else OTHER_COLUMN


def _boolean(value: Scalar, is_configured: bool) -> Fitted:
    if isinstance(value, bool):
        return value
    if is_configured:
        word = value.strip().lower() if isinstance(value, str) else str(value)
        if word in _TRUE | _FALSE:
            return word in _TRUE
    return OTHER_COLUMN


def _double(value: float, convert: Conversion | None) -> Fitted:
    try:
        converted = float(value) if convert is None else convert(float(value))
    except OverflowError:  # an integer of hundreds of digits
        return ABSENT
    if math.isfinite(converted):
        return converted
    return OTHER_COLUMN if math.isfinite(value) else ABSENT


def _bigint(value: float, convert: Conversion | None) -> Fitted:
    """An integer, also written as 21.0 or 1e3, if a double represents it exactly."""
    if convert is not None:
        return OTHER_COLUMN  # the configuration refuses it
    if isinstance(value, float) and (not value.is_integer() or abs(value) > MAX_EXACT):
        return OTHER_COLUMN if math.isfinite(value) else ABSENT
    whole = int(value)
    return whole if _BIGINT_MIN <= whole <= _BIGINT_MAX else OTHER_COLUMN
