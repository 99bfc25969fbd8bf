"""The rules' state of a partition, and where it is kept: in the data_dir, or beside a magnetic tier that is shared."""

from pipeline.stream.rule_state.files import RuleFiles
from pipeline.stream.rule_state.state import RuleKeep, RuleState

__all__ = ["RuleFiles", "RuleKeep", "RuleState"]
