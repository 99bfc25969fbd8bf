"""Facts about the rules: where each is defined, how many of its alerts fire, and why it may never fire.

`look` is called about each second by the worker's event loop: it updates what is known of the tables, and logs each new
warning once. HTTP, in another thread, gets the result of the last look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.base import metrics
from pipeline.stream.partitions.owned import OwnedPartitions
from rules import Rule, RuleSet, RuleWarning, Seen, Work, table_warnings, warnings_of
from rules.rule_warnings import Kind
from store.record import SeriesIndex, TableId, dimension_values

log = logging.getLogger(__name__)

MOST_VALUES = 1000  # of a dimension, kept for comparison
_OF_SERIES = (Kind.WHERE, Kind.ZONE, Kind.TEMPLATE)  # what depends on the dimensions and zones of all series
KEYS_A_LOOK = 5000  # of a table; limits the time in the event loop


@dataclass(frozen=True, slots=True)
class Standing:
    """How many signals of a rule are pending and firing, in one table."""

    pending: int
    firing: int


@dataclass(slots=True)
class Known:
    """What is known of the series of one table."""

    index: SeriesIndex
    upto: int = 0
    names: set[str] = field(default_factory=set)
    values: dict[str, set[str] | None] = field(default_factory=dict)
    has_zones: bool = False

    def look(self) -> bool:
        """Look at some more series; returns whether these were all."""
        keys = self.index.keys[self.upto : self.upto + KEYS_A_LOOK]
        zones = self.index.zones[self.upto : self.upto + len(keys)]
        self.has_zones |= self.index.rezoned > 0 or any(zone is not None for zone in zones)
        self.upto += len(keys)
        self.names.update(key.measure_name for key in keys)
        for name in {name for names in {key.names for key in keys} for name in names}:
            values = self.values.setdefault(name, set())
            if values is not None:
                values.update(value for value in dimension_values(keys, name) if value is not None)
                if len(values) > MOST_VALUES:
                    self.values[name] = None
        return self.upto == len(self.index)

    def seen(self, types: Mapping[str, object]) -> Seen:
        """The same in the form that rules need."""
        values = {name: None if found is None else frozenset(found) for name, found in self.values.items()}
        return Seen(self.index.table, dict(types), frozenset(self.names), values, self.has_zones)  # type: ignore[arg-type]  # as given


class RuleBook:
    """The rules of one worker.

    tables    returns the names of tables: of the configuration, and of an account in the store, or of all
    """

    def __init__(self, rules: RuleSet, owned: OwnedPartitions, tables: Callable[[str | None], set[str]]) -> None:
        self.rules = rules
        self.seen: dict[TableId, Seen] = {}
        self._owned = owned
        self._tables = tables
        self._known: dict[TableId, Known] = {}
        self._work: dict[str, dict[TableId, Work]] = {}
        self._standing: dict[str, dict[TableId, Standing]] = {}
        self._counted = Work()  # already counted
        self._told: set[tuple[str, str, TableId | None]] = set()

    def look(self, now_ns: int) -> None:
        """Update what is known, and log new warnings."""
        self._look_at_work(now_ns)
        self.log_warnings(self._look_at_tables())

    def log_warnings(self, seen: dict[TableId, Seen]) -> None:
        """Log warnings about rules over these tables that were not logged yet."""
        self.seen = seen
        with_warnings = 0
        for rule in self.rules.rules:
            found = self.warnings(rule)
            with_warnings += bool(found)
            for warning in found:
                key = (rule.name, str(warning.kind), warning.table)
                if key not in self._told:
                    self._told.add(key)
                    log.warning("the rule %s (%s) may never fire: %s", rule.name, rule.file, warning.text)
        metrics.rules_with_warnings.set(with_warnings)

    def warnings(self, rule: Rule, account: str | None = None) -> list[RuleWarning]:
        """Why `rule`, one of these or any other, may never fire; in one account, or in all."""
        work = self._work.get(rule.name, {})
        found = table_warnings(rule, self._tables(account))
        for table, seen in list(self.seen.items()):
            mine = account is None or table.account == account
            if mine and RuleSet((rule,)).of(table):
                found += warnings_of(rule, seen, work.get(table, Work()))
        # other workers may have seen what this one has not
        return [warning for warning in found if self._owned.are_all or warning.kind not in _OF_SERIES]

    def standing(self, rule: Rule, account: str) -> Standing:
        """How many of its signals are pending and firing in an account."""
        found = [of for table, of in self._standing.get(rule.name, {}).items() if table.account == account]
        return Standing(sum(of.pending for of in found), sum(of.firing for of in found))

    def _look_at_tables(self) -> dict[TableId, Seen]:
        seen: dict[TableId, Seen] = {}
        for partition in self._owned:
            for table in partition.store.all_tables():
                index = partition.store.registry.of(table.id)
                known = self._known.get(table.id)
                if known is None or known.index is not index:
                    known = self._known[table.id] = Known(index)
                if known.look() and known.upto:
                    seen[table.id] = known.seen(partition.store.measure_types(table.id))
        return seen

    def _look_at_work(self, now_ns: int) -> None:
        work: dict[str, dict[TableId, Work]] = {}
        standing: dict[str, dict[TableId, Standing]] = {}
        for partition in self._owned:
            for table, rule, done, pending, firing in partition.rules.engine.work(now_ns):
                of_rule = work.setdefault(rule.name, {})
                of_rule[table] = of_rule.get(table, Work()) + done
                before = standing.setdefault(rule.name, {}).get(table, Standing(0, 0))
                standing[rule.name][table] = Standing(before.pending + pending, before.firing + firing)
        counted = sum((done for of_rule in work.values() for done in of_rule.values()), Work())
        count_work(self._counted, counted)
        self._counted = counted
        self._work, self._standing = work, standing


def count_work(before: Work, now: Work) -> None:
    """Count what rules could not judge and did not tell between two looks, without tables removed meanwhile.

    What flaps is a number of now.
    """
    metrics.rules_unjudged_samples.labels("not_a_number").inc(max(0, now.not_numbers - before.not_numbers))
    metrics.rules_unjudged_samples.labels("too_wide").inc(max(0, now.too_wide - before.too_wide))
    metrics.rules_flapping_alerts.set(now.flapping)
    metrics.rules_suppressed_alerts.inc(max(0, now.suppressed - before.suppressed))
    metrics.rules_unjudged_samples.labels("late").inc(max(0, now.late - before.late))
    metrics.rules_unjudged_samples.labels("undefined").inc(max(0, now.undefined - before.undefined))


def say_patterns_without_files(patterns: Sequence[str], files_of: Callable[[str], Iterable[object]]) -> None:
    """Log each pattern of `rules` that matches no file."""
    for pattern in patterns:
        if not list(files_of(pattern)):
            log.warning("rules: no file fits %s: put rule files there, or take the pattern out", pattern)
