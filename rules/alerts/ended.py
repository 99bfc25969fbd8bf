"""Alerts that end because no rule judges them any more: their rule was changed or removed, or their table was deleted.

They are found in saved state, because a process that starts with other rules knows the old ones only from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rules.alerts.absence import absence_key, saved_absences
from rules.alerts.alert import Alert, Description
from rules.alerts.flood import flood_alert
from rules.alerts.raised import saved_alerts
from rules.alerts.reason import Reason
from rules.alerts.transition import Status, Transition
from rules.definition.selection import ZONE_NAME
from rules.definition.template import parse_template
from rules.rule import RuleSet, labels_at
from rules.saved.state import BlockState, RuleFacts, RuleState
from rules.values.arrays import NEVER, unpacked
from store.record import SeriesIndex


def ended_by_rules(state: BlockState, index: SeriesIndex, rules: RuleSet) -> list[Transition]:
    """The alerts of `state` for which `rules` has no rule with the definition that raised them."""
    kept = {rule.definition for rule in rules.of(index.table)}
    names = {rule.name for rule in rules.rules}
    return [
        transition
        for definition, rule in state.rules.items()
        if definition not in kept and rule.facts is not None
        for transition in _ended(
            state, index, rule, rule.facts, Reason.RULE_CHANGED if rule.facts.name in names else Reason.RULE_REMOVED
        )
    ]


def ended_by_deletion(state: BlockState, index: SeriesIndex) -> list[Transition]:
    """All alerts of `state`, whose table was deleted."""
    return [
        transition
        for rule in state.rules.values()
        if rule.facts is not None
        for transition in _ended(state, index, rule, rule.facts, Reason.TABLE_DELETED)
    ]


def _ended(
    state: BlockState, index: SeriesIndex, saved: RuleState, facts: RuleFacts, reason: Reason
) -> Iterator[Transition]:
    keys = state.subject_keys(saved)
    signals = state.signals.get(facts.measure) if saved.subjects is None else None
    rule = Description(
        facts.name,
        facts.measure,
        {name: parse_template(text) for name, text in facts.annotations.items()},
    )
    times = None if signals is None else unpacked(signals.time_ns, np.int64)
    values = None if signals is None or not facts.is_measured else unpacked(signals.value, np.float64)
    suppressed = frozenset[str]() if saved.flood is None else frozenset(saved.flood.suppressed)
    if saved.flood is not None and saved.flood.since_ns != NEVER:
        labels = labels_at(facts.labels, facts.levels[-1])
        yield flood_alert(index.table, rule, labels, saved.flood, Status.RESOLVED, saved.flood.since_ns, reason)
    for place, onset_ns, level, bounds in _alerts(saved, len(facts.levels)):
        key, known = keys[place], index.find(keys[place])
        zone = dict(key.dimensions).get(ZONE_NAME) if known is None else index.zones[known]
        value = None if values is None or math.isnan(values[place]) else float(values[place])
        labels = labels_at(facts.labels, facts.levels[level])
        alert = Alert(rule, index.table, key if bounds else absence_key(key), zone, onset_ns, labels)
        if alert.id not in suppressed:
            time_ns = onset_ns if times is None else max(onset_ns, int(times[place]))
            yield alert.turn(Status.RESOLVED, time_ns, value, bounds, reason=reason)


def _alerts(saved: RuleState, levels: int) -> Iterator[tuple[int, int, int, dict[str, float]]]:
    """The place, onset, level and violated bound of each alert; those of absence have no bound."""
    for place, raised in saved_alerts(saved.alerts).items():
        yield place, raised.onset_ns, raised.level, dict((raised.bounds[raised.level],))
    absent = saved_absences({} if saved.no_data is None else saved.no_data.arrays)
    yield from ((place, since_ns, levels - 1, {}) for place, since_ns in absent)
