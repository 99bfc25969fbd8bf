"""The kinds of rules: each a file with its configuration, its judge, and the keys of its part of a rule."""

from rules.kinds import composite, count, detector, expression, flatline, missing, peers, rate_of_change, zone
from rules.kinds import range as range_kind
from rules.kinds.kind import Condition, Kind

__all__ = ["KINDS", "Condition", "Kind"]

_KINDS = (
    *(range_kind.KIND, rate_of_change.KIND, flatline.KIND, expression.KIND),
    *(zone.KIND, peers.KIND, count.KIND, detector.KIND, missing.KIND, composite.KIND),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
"""Every kind by its key, in the order of the documentation."""
