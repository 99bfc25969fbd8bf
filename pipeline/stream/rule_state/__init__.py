"""The rule state of a partition, and where it is saved for the next owner."""

from pipeline.stream.rule_state.keep import RuleKeep
from pipeline.stream.rule_state.state import RuleState

__all__ = ["RuleKeep", "RuleState"]
