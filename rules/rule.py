"""A rule as frozen values, validated by `rules.parse`.

A rule watches the series of one table. Its *condition*, of one of `rules.kinds`, turns samples into *values*; its
bounds, both inclusive, say which values are normal. `rules.phases` decides what follows from a value outside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from rules.bounds import Bounds
from rules.kinds.kind import Condition
from rules.selection import ACCOUNT, Where
from rules.template import Template
from store.record import TableId
from store.values.durations import duration_ns


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a group.

    table    "database.table"; the rule applies in every account that has such a table
    where    dimension (or `account`) → its allowed values; empty: every series
    hold     how long values must stay beyond the bounds before the alert fires (`for` in YAML)
    clear    values at which a firing alert resolves; within the condition's bounds
    file     the file that defines it
    """

    group: str
    alert: str
    table: str
    measure: str
    condition: Condition
    clear: Bounds
    hold: timedelta = timedelta(0)
    where: Where = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, Template] = field(default_factory=dict)
    file: str = ""

    @property
    def name(self) -> str:
        """`group/alert`: unique in a rule set."""
        return f"{self.group}/{self.alert}"

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures whose samples it needs."""
        return self.condition.measures(self.measure)

    @property
    def definition(self) -> str:
        """A hash of everything that decides.

        State is kept while it stays the same; labels and annotations may change.
        """
        bounds = self.condition.bounds
        facts = (
            (self.name, self.table, self.measure, self.condition.facts, duration_ns(self.hold)),
            (bounds.min, bounds.max, self.clear.min, self.clear.max),
            sorted((name, sorted(values)) for name, values in self.where.items()),
        )
        return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:32]


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


def _admits(rule: Rule, account: str) -> bool:
    accounts = rule.where.get(ACCOUNT)
    return accounts is None or account in accounts
