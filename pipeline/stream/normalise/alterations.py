"""Kinds of alterations of fields, counted by field.

No alteration rejects a message. They show why a value is not where it was expected.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import TypeAlias


class Alteration(enum.StrEnum):
    """What happened to a field of a payload. A label of a metric."""

    RENAMED = "renamed"  # its name was made safe
    OTHER_COLUMN = "other_column"  # not of its column's type: stored in another column
    NO_VALUE = "no_value"  # a word for "no value", or not a finite number, and the column is not text
    MORE = "more"  # no column was left: stored in the JSON of the measure _more
    IGNORED = "ignored"  # ignored by the table's patterns
    DROPPED = "dropped"  # an array, and the table drops them
    NOT_STORED = "not_stored"  # not stored: the table has a measure _more that is not text


Alterations: TypeAlias = Counter[tuple[str, Alteration]]
"""How often, by field and kind."""
