"""A rule as frozen values, validated by `rules.parse`.

A rule watches one measure of the series of one table. Its *condition* turns samples into *values* (the value itself, or
its rate of change); its bounds, both inclusive, say which values are normal. `rules.watch` decides what follows from a
value outside them.
"""

from __future__ import annotations

import enum
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

import msgspec

from rules.template import Template
from store.record import TableId


class Side(enum.IntEnum):
    """The bound that a value exceeds."""

    NONE = 0
    MIN = 1
    MAX = 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """The normal values: from `min` to `max`, both inclusive; an open end is infinite."""

    min: float = -math.inf
    max: float = math.inf

    def side(self, value: float) -> Side:
        """The bound that `value` exceeds."""
        if value < self.min:
            return Side.MIN
        return Side.MAX if value > self.max else Side.NONE


@dataclass(frozen=True, slots=True)
class Range:
    """The value is that of the measure."""

    bounds: Bounds


@dataclass(frozen=True, slots=True)
class RateOfChange:
    """The value is the change since the signal's previous sample, scaled to `per`, signed."""

    bounds: Bounds
    per: timedelta


Condition: TypeAlias = Range | RateOfChange

ACCOUNT = "account"
"""The key of `where` that means the account, never a dimension: accounts come from credentials, not from payloads."""


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
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, Template] = field(default_factory=dict)
    file: str = ""

    @property
    def name(self) -> str:
        """`group/alert`: unique in a rule set."""
        return f"{self.group}/{self.alert}"

    @property
    def definition(self) -> str:
        """A hash of everything that decides.

        State is kept while it stays the same; labels and annotations may change.
        """
        where = sorted((name, sorted(values)) for name, values in self.where.items())
        per = self.condition.per if isinstance(self.condition, RateOfChange) else None
        bounds = self.condition.bounds
        facts = (
            (self.name, self.table, self.measure, where, str(self.hold), str(per)),
            (bounds.min, bounds.max, self.clear.min, self.clear.max),
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
