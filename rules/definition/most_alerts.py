"""`max_alerts: 100/m`: how many alerts of a rule may fire in a minute; `rules.alerts.flood` says what happens then."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rules.definition.document import Problems, read_text
from rules.definition.keys import Form
from store.values.yaml_text import Node

_SPANS_NS = {"m": 60 * 10**9, "h": 3600 * 10**9}
_RATE = re.compile(r"([1-9][0-9]{0,5})/([mh])")


@dataclass(frozen=True, slots=True)
class MostAlerts:
    """So many, in each span of this length."""

    count: int
    span_ns: int

    @property
    def facts(self) -> tuple[object, ...]:
        """All of it, for the definition of a rule."""
        return "max_alerts", self.count, self.span_ns


def _read(node: Node, what: str, problems: Problems) -> MostAlerts | None:
    text = read_text(node, what, problems)
    if text is None:
        return None
    rate = _RATE.fullmatch(text)
    if rate is None:
        problems.add(node, f"{what} must be a number a minute or an hour, as 100/m or 1000/h, is {text!r}")
        return None
    return MostAlerts(int(rate[1]), _SPANS_NS[rate[2]])


MOST_ALERTS = Form(_read, {"type": "string", "pattern": f"^{_RATE.pattern}$"})
