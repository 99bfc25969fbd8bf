"""Decisions: YAML → rules and detectors; record batch in, alert transitions out. No I/O and no clock.

load_rules(paths) → RuleSet; Engine(rules, registry).evaluate(batch) → transitions; to_event(transition) → alert event.
"""

from rules.engine import ActiveAlert, Engine
from rules.errors import Problem, RuleError, RuleFileError, RuleSnapshotError
from rules.loading import load_rules
from rules.rule import Rule, RuleSet
from rules.transition import Status, Transition, to_event

__all__ = [
    "ActiveAlert",
    "Engine",
    "Problem",
    "Rule",
    "RuleError",
    "RuleFileError",
    "RuleSet",
    "RuleSnapshotError",
    "Status",
    "Transition",
    "load_rules",
    "to_event",
]
