"""The rules' state of a partition, and where it is kept: what an owner leaves for the next one."""

from pipeline.stream.rule_state.keep import RuleKeep
from pipeline.stream.rule_state.state import RuleState

__all__ = ["RuleKeep", "RuleState"]
