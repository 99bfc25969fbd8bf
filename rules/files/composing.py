"""Composite rules and the rules of their group that they are composed of: names become definitions; no circles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from rules.definition.document import meant
from rules.kinds import count, zone
from rules.kinds.composite import DEVICE, ZONE, Composite
from rules.rule import Rule

_ABOUT_GROUPS = (count.Count, zone.Zone)

Refuse = Callable[[Rule, str], None]
"""Adds a problem of a rule."""


def composed(rules: Mapping[str, Rule], alerts: Collection[str], refuse: Refuse) -> list[Rule]:
    """These rules of one group, those that are composed with the definitions of their rules, without wrong ones.

    alerts  the names of all rules of the group, also of those that have problems of their own
    """
    done: dict[str, Rule | None] = {}
    for alert in rules:
        _compose(alert, rules, alerts, refuse, done, ())
    return [rule for alert in rules if (rule := done[alert]) is not None]


def _compose(
    alert: str,
    rules: Mapping[str, Rule],
    alerts: Collection[str],
    refuse: Refuse,
    done: dict[str, Rule | None],
    above: tuple[str, ...],
) -> Rule | None:
    """The rule with its definitions, after those that it is composed of; None if it is wrong, or one of them."""
    if alert in done:
        return done[alert]
    rule = rules[alert]
    condition = rule.condition
    if not isinstance(condition, Composite):
        done[alert] = rule
        return rule
    done[alert] = None
    path = (*above, alert)
    parts: dict[str, Rule] = {}
    for name in condition.of.names:
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            refuse(rule, f"is composed of itself: {circle}")
        elif name not in alerts:
            refuse(rule, f"names the rule `{name}`, which its group has not{meant(name, alerts)}")
        elif name in rules:
            part = _compose(name, rules, alerts, refuse, done, path)
            if part is not None:
                parts[name] = part
    if len(parts) == len(condition.of.names) and _is_decided(rule, condition, parts, refuse):
        definitions = {name: part.definition for name, part in parts.items()}
        wide = frozenset(name for name, part in parts.items() if _is_wide(part))
        done[alert] = replace(rule, condition=replace(condition, definitions=definitions, wide=wide))
    return done[alert]


def _is_wide(rule: Rule) -> bool:
    """Whether its alerts are about groups of devices."""
    of = rule.condition
    return isinstance(of, _ABOUT_GROUPS) or (isinstance(of, Composite) and of.by == ZONE)


def _is_decided(rule: Rule, condition: Composite, parts: Mapping[str, Rule], refuse: Refuse) -> bool:
    """Whether some device has to be the reason; otherwise nobody knows whom the alert is about."""
    if condition.by != DEVICE:
        return True
    of_devices = frozenset(name for name, part in parts.items() if not _is_wide(part))
    if not condition.of.needs(of_devices):
        refuse(rule, f"may hold without a rule about devices firing: {condition.of.text!r}; `by: zone` is about zones")
        return False
    return True


def with_parts(rules: Sequence[Rule], names: Collection[str]) -> tuple[Rule, ...]:
    """The rules with these names, and those that they are composed of."""
    wanted: set[str] = set()

    def add(name: str) -> None:
        wanted.add(name)
        for rule in rules:
            if rule.name == name and isinstance(rule.condition, Composite):
                for part in rule.condition.of.names:
                    add(f"{rule.group}/{part}")

    for name in names:
        add(name)
    return tuple(rule for rule in rules if rule.name in wanted)
