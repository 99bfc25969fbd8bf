"""The kinds of rules: each a file with its configuration, its judge, and the keys of its part of a rule."""

from rules.kinds import expression, flatline, missing, rate_of_change
from rules.kinds import range as range_kind
from rules.kinds.kind import Condition, Kind

__all__ = ["KINDS", "Condition", "Kind"]

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (range_kind.KIND, rate_of_change.KIND, flatline.KIND, expression.KIND, missing.KIND)
}
"""Every kind by its key, in the order of the documentation."""
