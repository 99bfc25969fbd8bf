"""What the absence of readings means for a rule: `no_data`. A subject has no data if nothing came of it for a while.

    no_data: resolve                           # after 5 minutes
    no_data: {then: alert, after: 10m}

Absence is counted as the kind `missing` counts silence: in time of arrival, on the clock of our listening
(`rules.values.listening`), from the last reading on, also a late or repeated one. It begins at a tick and ends with a
reading. A subject that was never heard while the rule was in force is not absent. Where a rule needs several measures,
each of them has to come.

    keep      nothing happens: a firing alert stays (the default)
    resolve   what is pending ends, what is firing resolves
    alert     there is an alert of its own until readings come again, unless one is firing
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta

from rules.definition.document import Problems
from rules.definition.keys import SPAN, Form, Key, Section, choice, mapping
from store.values.durations import duration_ns
from store.values.yaml_text import Node, ScalarNode

AFTER = timedelta(minutes=5)
"""As long as Prometheus takes the last sample for one of now."""


class Then(enum.StrEnum):
    """What happens."""

    KEEP = "keep"
    RESOLVE = "resolve"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class NoData:
    """What happens to a subject without readings for so long."""

    then: Then
    after_ns: int

    @property
    def facts(self) -> tuple[object, ...]:
        """All of it, for the definition of a rule."""
        return "no_data", str(self.then), self.after_ns


_KEYS = (
    Key("then", choice(*Then), "keep, resolve or alert", is_needed=True),
    Key("after", SPAN, "how long nothing may have come; 5m by default"),
)


def _make(section: Section) -> NoData:
    return NoData(Then(section.get("then")), duration_ns(section.get("after", AFTER)))


_WHOLE = mapping(_KEYS, _make)


def _read(node: Node, what: str, problems: Problems) -> NoData | None:
    if not isinstance(node, ScalarNode):
        whole: NoData | None = _WHOLE.read(node, what, problems)
        return whole
    then = _KEYS[0].form.read(node, what, problems)
    return None if then is None else NoData(Then(then), duration_ns(AFTER))


NO_DATA = Form(_read, {"anyOf": [_KEYS[0].form.schema, _WHOLE.schema]})
"""`no_data` of a rule."""
