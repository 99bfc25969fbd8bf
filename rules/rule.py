"""A rule as frozen values, validated by `rules.files.parse`.

A rule watches the series of one table. Its *condition*, of one of `rules.kinds`, turns samples into *values*; the
bounds of its levels, inclusive, say which values are normal. `rules.alerts.phases` decides what follows from a value
outside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from rules.definition.level import SEVERITY, Level
from rules.definition.most_alerts import MostAlerts
from rules.definition.no_data import NoData
from rules.definition.selection import ACCOUNT, Pattern, Wanted, Where
from rules.definition.template import Template
from rules.kinds.kind import Condition
from store.record import TableId


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a group.

    table    "database.table"; the rule applies in every account that has such a table
    where    dimension (or `account`) → its allowed values; empty: every series
    levels   from the least severe; at least one
    file     the file that defines it
    no_data  None: the absence of readings changes nothing
    max_alerts   None: as many as there are
    lateness_ns  how long samples wait for earlier ones
    """

    group: str
    alert: str
    table: str
    measure: str
    condition: Condition
    levels: tuple[Level, ...]
    where: Where = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, Template] = field(default_factory=dict)
    file: str = ""
    no_data: NoData | None = None
    max_alerts: MostAlerts | None = None
    lateness_ns: int = 0

    @property
    def name(self) -> str:
        """`group/alert`: unique in a rule set."""
        return f"{self.group}/{self.alert}"

    def labels_at(self, level: int) -> Mapping[str, str]:
        """The labels of an alert at this level, whose name is its severity."""
        return labels_at(self.labels, self.levels[level].name)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures whose samples it needs."""
        return self.condition.measures(self.measure)

    @property
    def definition(self) -> str:
        """A hash of everything that decides.

        State is kept while it stays the same; labels and annotations may change.
        """
        facts = (
            (self.name, self.table, self.measure, self.condition.facts),
            [level.facts for level in self.levels],
            sorted((name, _sorted(wanted)) for name, wanted in self.where.items()),
            *(part.facts for part in (self.no_data, self.max_alerts) if part is not None),
            *((("lateness", self.lateness_ns),) if self.lateness_ns else ()),
        )
        return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:32]


def labels_at(labels: Mapping[str, str], level: str) -> Mapping[str, str]:
    """These labels with the name of the level, if it has one, as the severity."""
    return {**labels, SEVERITY: level} if level else labels


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order of their files."""

    rules: tuple[Rule, ...] = ()

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def tables(self) -> frozenset[str]:
        """The tables of all rules, as database.table."""
        return frozenset(rule.table for rule in self.rules)

    def of(self, table: TableId) -> tuple[Rule, ...]:
        """The rules for `table` in its account."""
        name = f"{table.database}.{table.table}"
        return tuple(rule for rule in self.rules if rule.table == name and _admits(rule, table.account))


def _sorted(wanted: Wanted) -> list[str]:
    """The same whatever the order in which values are written."""
    return ["regex", wanted.text] if isinstance(wanted, Pattern) else sorted(wanted)


def _admits(rule: Rule, account: str) -> bool:
    accounts = rule.where.get(ACCOUNT)
    return accounts is None or account in accounts
