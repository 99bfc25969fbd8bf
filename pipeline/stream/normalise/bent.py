"""What normalise bent to store it, or left: kinds of it, counted by field.

Nothing of it costs a message. Who wants to know why a value is not where it was looked for finds it here.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import TypeAlias


class Bend(enum.StrEnum):
    """What happened to a field of a payload. Label of a metric."""

    RENAMED = "renamed"  # its name was made safe
    BESIDE = "beside"  # another kind than its column: in a column of its own beside it
    NO_VALUE = "no_value"  # a word for "no value", or no finite number, where the column is no text
    MORE = "more"  # no column left for it: in the JSON of the measure _more
    IGNORED = "ignored"  # by the table's patterns
    DROPPED = "dropped"  # an array, where the table drops them
    LEFT = "left"  # nowhere: the table has a measure _more that is no text


Bends: TypeAlias = Counter[tuple[str, Bend]]
"""How often, by field and kind."""
