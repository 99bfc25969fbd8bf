"""What the placeholders of an alert mean, in its labels and annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rules.definition.template import Template, parse_template
from rules.kinds.judging import Facts
from store.record import TableId


class Described(Protocol):
    """The description of a rule in alerts: a `Rule`, or a saved one."""

    @property
    def name(self) -> str:
        """`group/alert`."""
        ...

    @property
    def measure(self) -> str:
        """The measure that it watches."""
        ...

    @property
    def annotations(self) -> Mapping[str, Template]:
        """The annotations as written, without replacements."""
        ...


ALL_NAMES = ("value", "bound", "measure", "zone_name", "zone", "account", "table", "rule")
"""The placeholders that alerts of every kind have."""


@dataclass(frozen=True, slots=True)
class Placeholders:
    """What the placeholders of an alert mean, in labels and annotations.

    The first of these that exists: `value`, `measure`, `zone_name`, `account`, `table`, `rule`; a dimension; a label of
    the rule; a fact; the zone's name for `zone`; nothing.
    """

    rule: Described
    table: TableId
    zone: str | None
    dimensions: Mapping[str, str]
    value: float | None
    bounds: Mapping[str, float]
    facts: Facts

    def labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """These labels, filled in; they do not name a value, so they stay the same while the alert fires."""
        if not any("{" in text or "}" in text for text in labels.values()):
            return dict(labels)
        names = self._names({})
        return {name: _filled(text, names) for name, text in labels.items()}

    def annotations(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The annotations of the rule, filled in; `labels` are those of the alert."""
        names = self._names(labels)
        return {name: template.render(names) for name, template in self.rule.annotations.items()}

    def _names(self, labels: Mapping[str, str]) -> dict[str, str | float]:
        return {
            "zone": self.zone or "",
            "bound": next(iter(self.bounds.values()), ""),
            **self.facts,
            **labels,
            **self.dimensions,
            "value": "" if self.value is None else self.value,
            "measure": self.rule.measure,
            "zone_name": self.zone or "",
            "account": self.table.account,
            "table": f"{self.table.database}.{self.table.table}",
            "rule": self.rule.name,
        }


def _filled(text: str, names: Mapping[str, str | float]) -> str:
    """The label; as it is if it is none of today, but saved when labels had no placeholders."""
    try:
        return parse_template(text).render(names)
    except ValueError:
        return text
