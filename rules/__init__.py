"""Decisions: YAML → rules; record batch in, alert transitions out. No clock; only `load_rules` reads files.

load_rules(paths) → RuleSet; Engine(rules, registry).evaluate(batch) → transitions; to_event(transition) → alert event;
doubts(rule, seen) → why a rule may never fire.
"""

from rules.doubts import Doubt, Seen, Work, doubts, table_doubts
from rules.engine import ActiveAlert, Engine
from rules.errors import Problem, RuleError, RuleFileError, RuleSnapshotError
from rules.loading import load_rules
from rules.rule import Rule, RuleSet
from rules.transition import Status, Transition, to_event

__all__ = [
    "ActiveAlert",
    "Doubt",
    "Engine",
    "Problem",
    "Rule",
    "RuleError",
    "RuleFileError",
    "RuleSet",
    "RuleSnapshotError",
    "Seen",
    "Status",
    "Transition",
    "Work",
    "doubts",
    "load_rules",
    "table_doubts",
    "to_event",
]
