"""Decisions: YAML → rules; record batch in, alert transitions out. No clock; only `load_rules` reads files.

load_rules(paths) → RuleSet; Engine(rules, registry).evaluate(batch) → transitions; to_event(transition) → alert event;
warnings_of(rule, seen) → why a rule may never fire.
"""

from rules.alerts.transition import Status, Transition, to_event
from rules.engine import ActiveAlert, Engine
from rules.errors import Problem, RuleError, RuleFileError, RuleSnapshotError
from rules.files.loading import load_rules, rules_of
from rules.rule import Rule, RuleSet
from rules.rule_warnings import RuleWarning, Seen, Work, table_warnings, warnings_of

__all__ = [
    "ActiveAlert",
    "Engine",
    "Problem",
    "Rule",
    "RuleError",
    "RuleFileError",
    "RuleSet",
    "RuleSnapshotError",
    "RuleWarning",
    "Seen",
    "Status",
    "Transition",
    "Work",
    "load_rules",
    "rules_of",
    "table_warnings",
    "to_event",
    "warnings_of",
]
