"""Where in the product a process can be told to die, and what is hastened for a test. Names only: nothing is imported.

`sitecustomize` wraps these in every process of the product; `missing` tells, before a test starts any, which of them
the product has no more. A moment lies before a function is called or after it has returned.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from functools import reduce

SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Step:
    """A function of the product, and the moments at its two ends."""

    module: str
    name: str  # in the module; a method is `Class.method`
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Haste:
    """A number of the product that is another one in a test; `setting` is the environment variable that says which."""

    module: str
    name: str  # in the module; a field of a frozen value is `NAME.field`
    value: float
    setting: str = ""
    scale: int = 1

    def wanted(self) -> float:
        """What it is to be in this process."""
        return type(self.value)(float(os.environ.get(self.setting, self.value)) * self.scale)


STEPS = (
    Step("store.table.flush", "write_file", before="series saved", after="file written"),
    Step("store.magnetic.tier", "MagneticTier.commit", before="before commit", after="after commit"),
    Step("store.objects.objects", "LocalObjects._write_aside", after="object written aside"),
    Step("store.state.positions", "Positions.save", before="positions to be saved", after="positions saved"),
    Step("store.state.pending_rows", "PendingRows.save", before="checkpoint to be saved", after="checkpoint saved"),
    Step("store.table.compaction", "write", before="merge begun", after="merged file written"),
    Step("store.table.compaction", "rewrite", after="merged"),
    Step("pipeline.stream.rule_state.keep", "RuleKeep.save", before="rules to be saved", after="rules saved"),
    Step("pipeline.log.embedded.topic_file", "TopicFile.trim_step", after="trimming"),
)

HASTE = (
    Haste("store.upkeep", "FLUSH_AFTER_NS", 0.5, "FAULT_FLUSH_AFTER_S", SECOND_NS),
    Haste("store.upkeep", "MOST_FLUSHED_ALONE", 150, "FAULT_MOST_FLUSHED_ALONE"),
    Haste("store.upkeep", "COMMIT_EVERY_NS", 0.05, "FAULT_COMMIT_EVERY_S", SECOND_NS),
    Haste("store.upkeep", "POSITIONS_EVERY_NS", SECOND_NS // 2),
    Haste("store.upkeep", "CLEAN_EVERY_NS", SECOND_NS),
    Haste("store.upkeep", "VACUUM_EVERY_NS", 2 * SECOND_NS),
    Haste("store.magnetic.compaction_plan", "FANOUT", 3),
    Haste("store.magnetic.tier", "CHECKPOINT_COMMITS", 50, "FAULT_CHECKPOINT_COMMITS"),
    Haste("store.table.vacuum", "KEEP_NS", 3_600, "FAULT_KEEP_S", SECOND_NS),
    Haste("pipeline.worker.upkeep", "MAINTENANCE_EVERY_S", 0.1),
    Haste("pipeline.worker.upkeep", "RULES_EVERY_S", 0.5),
    Haste("pipeline.worker.upkeep", "TRIM_EVERY_S", 0.3, "FAULT_TRIM_EVERY_S"),
    Haste("pipeline.alerting.receivers.retry_policy", "BACKOFF.longest_s", 1.0),
    Haste("pipeline.operations.supervisor.child", "BACKOFF.longest_s", 0.1),  # many deaths in a row are the test's
    Haste("pipeline.log.embedded.topic_file", "TRIM_STEP_MESSAGES", 4),
)


EMBEDDED_ONLY = {"trimming"}  # a broker trims by itself


def moments() -> list[str]:
    """All there are."""
    return sorted({moment for step in STEPS for moment in (step.before, step.after)} - {""})


def missing() -> list[str]:
    """What of the above the product does not have: it moved, and its line here has to follow."""
    return [
        f"{at.module}.{at.name} is not there any more: say in {__file__} where it is now"
        for at in (*STEPS, *HASTE)
        if not _is_there(at.module, at.name)
    ]


def _is_there(module: str, name: str) -> bool:
    try:
        reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError):
        return False
    return True
